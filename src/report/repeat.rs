//! A command line to be given again: what the last words tell a person to type. It can be copied
//! into a shell as it stands, whatever is in the names of the files.

use std::path::Path;

/// The name under which the program is told to be run.
pub const PROGRAM: &str = "lcic-sync";

/// An `apply` to be given again, in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repeat {
    /// The flags, with their values where they have one.
    pub flags: Vec<(String, Option<String>)>,
    /// The FILE arguments.
    pub files: Vec<String>,
}

impl Repeat {
    /// The same flags for a `failures.csv`. Those that say how much to send are left out: they
    /// were meant for the file at hand, and so were the seed and what that file's bytes are.
    pub fn for_failures(&self, failures: &Path) -> Self {
        Self {
            files: vec![failures.to_string_lossy().into_owned()],
            ..self.without(&[
                "--all",
                "--limit",
                "--canary",
                "--max-age",
                "--min-rows",
                "--seed",
                "--encoding",
                "--delimiter",
                "--sheet",
            ])
        }
    }

    /// The same without some of its flags.
    pub fn without(&self, flags: &[&str]) -> Self {
        let mut repeat = self.clone();
        repeat
            .flags
            .retain(|(name, _)| !flags.contains(&name.as_str()));
        repeat
    }

    /// Whether the flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(name, _)| name == flag)
    }

    /// Whether standard input is among the files.
    pub fn reads_standard_input(&self) -> bool {
        self.files.iter().any(|file| file == "-")
    }

    /// The arguments behind `apply`, as the program gets them.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for (name, value) in &self.flags {
            match value {
                None => arguments.push(name.clone()),
                Some(value) if value.starts_with('-') => arguments.push(format!("{name}={value}")),
                Some(value) => arguments.extend([name.clone(), value.clone()]),
            }
        }
        let looks_like_a_flag = |file: &String| file.len() > 1 && file.starts_with('-');
        if self.files.iter().any(looks_like_a_flag) {
            arguments.push("--".into());
        }
        arguments.extend(self.files.iter().cloned());
        arguments
    }

    /// The line to copy into a shell.
    pub fn line(&self) -> String {
        let arguments = self.arguments();
        let quoted = arguments.iter().map(|argument| quote(argument));
        let words: Vec<String> = [PROGRAM.into(), "apply".into()]
            .into_iter()
            .chain(quoted)
            .collect();
        words.join(" ")
    }
}

/// A word as a shell takes it literally.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_every_word_as_it_was() {
        let words = [
            "",
            "users.csv",
            "a b.csv",
            "it's $HOME `id` \"x\" \\ !.csv",
            "用户 名单.csv",
            "用户.csv",
            "~/x*?.csv",
            "tab\tand\nline",
        ];
        let repeat = Repeat {
            flags: Vec::new(),
            files: words.map(String::from).into(),
        };
        let script = repeat
            .line()
            .replacen("lcic-sync apply", "printf '%s\\0'", 1);
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        let told: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
        assert_eq!(told[..words.len()], words.map(str::as_bytes), "{script}");
    }

    #[test]
    fn a_file_that_looks_like_a_flag_is_kept_apart() {
        let line = |file: &str| {
            let files = vec![file.to_owned()];
            let flags = vec![("--rate".to_owned(), Some("5".to_owned()))];
            Repeat { flags, files }.line()
        };
        assert_eq!(line("-x.csv"), "lcic-sync apply --rate 5 -- -x.csv");
        assert_eq!(line("-"), "lcic-sync apply --rate 5 -");
    }

    #[test]
    fn failures_are_applied_with_the_flags_that_say_where_and_how_fast() {
        let flag = |name: &str, value: Option<&str>| (name.into(), value.map(Into::into));
        let repeat = Repeat {
            flags: vec![
                flag("--site", Some("intl")),
                flag("--limit", Some("10")),
                flag("--all", None),
                flag("--seed", Some("7")),
            ],
            files: vec!["a.csv".into(), "b.csv".into()],
        };
        let failures = repeat.for_failures(Path::new("/r/1/failures.csv"));
        assert_eq!(
            failures.line(),
            "lcic-sync apply --site intl /r/1/failures.csv"
        );
    }
}

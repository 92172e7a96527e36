//! `cron-line`: an `apply` that was tried by hand, as a line for crontab and as a service and a timer
//! for systemd: exactly these flags, with paths that mean the same from anywhere.

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Parser};

use crate::cli::args::{Cli, Command};
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::report::repeat::{PROGRAM, Repeat, quote};

/// The flags of `cron-line`, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct CronLineArgs {
    /// When, every day
    #[arg(long, value_name = "HH:MM", default_value = "02:07")]
    pub at: String,

    /// The command line, behind a --
    #[arg(value_name = "apply FLAGS FILE", required = true, last = true)]
    pub line: Vec<String>,
}

const EXAMPLES: &str = "\
Prints a line for crontab, and below it a service and a timer for systemd: choose one of them. Both
run as who reads the keys; times are this machine's.

Examples:
  lcic-sync cron-line -- apply --cron /srv/export/users.csv
  lcic-sync cron-line --at 03:30 -- apply --cron --rate 15 users.csv";

/// Runs the command.
///
/// # Errors
/// When what stands behind the `--` is no `apply` that can be repeated.
pub fn run(args: &CronLineArgs) -> anyhow::Result<Exit> {
    let program = std::env::current_exe().context("where this program is")?;
    let here = std::env::current_dir().context("the current directory")?;
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let text = text(args, &program, &here)? + &needed(variables);
    let printer = Printer::new(false, 0);
    printer.data(&text).context("standard output")?;
    Ok(Exit::Done)
}

fn text(args: &CronLineArgs, program: &Path, here: &Path) -> anyhow::Result<String> {
    let (hour, minute) = time(&args.at).ok_or_else(|| {
        anyhow!(
            "--at: found {:?}, expected a time from 00:00 to 23:59",
            args.at
        )
    })?;
    let repeat = repeat(&args.line)?;
    let program = program.to_string_lossy().into_owned();
    let words: Vec<String> = [program, "apply".into()]
        .into_iter()
        .chain(repeat.arguments())
        .collect();
    let here = here.to_string_lossy();
    if words.iter().any(|word| word.contains('\n')) || here.contains('\n') {
        bail!("a name with a line break in it fits into no schedule");
    }
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    let here_quoted = quote(&here);
    // Of a line, crontab takes what follows a % for the command's input.
    let line = format!("cd {here_quoted} && {}", quoted.join(" ")).replace('%', r"\%");
    let exec: Vec<String> = words.iter().map(|word| for_systemd(word)).collect();
    Ok(format!(
        "# crontab -e\n\
         {minute} {hour} * * *  {line}\n\
         \n\
         # /etc/systemd/system/{PROGRAM}.service\n\
         [Unit]\n\
         Description=Profiles of LCIC users, equal to a file\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         WorkingDirectory={}\n\
         ExecStart={}\n\
         # Some rows failed: work for a person, and no failure of the job.\n\
         SuccessExitStatus=3\n\
         # A million rows take 14 hours; the calls under way are answered within a minute.\n\
         TimeoutStartSec=infinity\n\
         TimeoutStopSec=90\n\
         \n\
         # /etc/systemd/system/{PROGRAM}.timer, then: systemctl enable --now {PROGRAM}.timer\n\
         [Unit]\n\
         Description=Every day, {PROGRAM}\n\
         \n\
         [Timer]\n\
         OnCalendar=*-*-* {hour:02}:{minute:02}:00\n\
         # What the machine slept through is made up for.\n\
         Persistent=true\n\
         \n\
         [Install]\n\
         WantedBy=timers.target\n",
        // A path is taken as it stands, but for what % means.
        here.replace('%', "%%"),
        exec.join(" "),
    ))
}

/// What is set here and will not be set there; names alone, keys are among them.
fn needed(variables: impl Iterator<Item = String>) -> String {
    const PREFIXES: [&str; 4] = ["LCIC_SYNC_", "TENCENTCLOUD_", "TCCLI_", "TKE_"];
    let ours = variables.filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
    let mut ours: Vec<String> = ours.collect();
    ours.sort();
    match ours.is_empty() {
        true => String::new(),
        false => format!(
            "\n# Set here, and to be set there, too (crontab: NAME=value above the line; systemd: EnvironmentFile=):\n\
             # {}\n",
            ours.join(" ")
        ),
    }
}

fn time(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str, below: u8| {
        let is_plain = digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u8 = digits.parse().ok().filter(|_| is_plain)?;
        (number < below).then_some(number)
    };
    Some((two(hour, 24)?, two(minute, 60)?))
}

/// The line, read as it will be; it must be one that needs nobody.
fn repeat(line: &[String]) -> anyhow::Result<Repeat> {
    let words = [PROGRAM.to_owned()].into_iter().chain(line.iter().cloned());
    let command = match Cli::try_parse_from(words) {
        Ok(cli) => cli.command,
        Err(error) => bail!(
            "{}",
            error.to_string().trim_start_matches("error: ").trim_end()
        ),
    };
    let Command::Apply(apply) = command else {
        bail!("only an apply is put on a schedule\nhint: lcic-sync cron-line -- apply FILE");
    };
    if apply.files.iter().any(|file| file == "-") {
        bail!("a schedule has no standard input to read: name a file");
    }
    let secrets = [
        ("--ping-url", "LCIC_SYNC_PING_URL", &apply.ping_url),
        ("--notify-url", "LCIC_SYNC_NOTIFY_URL", &apply.notify_url),
    ];
    for (flag, variable, url) in secrets {
        if url.is_some() {
            bail!(
                "{flag} is a secret, and does not belong into a line that others can read\n\
                 hint: set {variable} there, or {} in lcic-sync.toml",
                &flag[2..]
            );
        }
    }
    Ok(apply.repeat())
}

/// A word of `ExecStart=`: systemd unquotes it, then looks for `%` and `$`.
fn for_systemd(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-$".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
}

//! Both READMEs say the same: the same commands to type, the same flags, and every flag there is.

use std::collections::BTreeSet;

use clap::CommandFactory;
use lcic_sync::cli::args::Cli;

const ENGLISH: &str = include_str!("../README.md");
const CHINESE: &str = include_str!("../README.zh-CN.md");

/// What is typed in blocks of code, without remarks.
fn commands(readme: &str) -> Vec<&str> {
    let begins = ["$ ", "7 2 * * *"];
    let typed = readme
        .lines()
        .filter(|line| begins.iter().any(|begins| line.starts_with(begins)));
    typed
        .map(|line| line.split("   # ").next().unwrap().trim_end())
        .collect()
}

/// The first cells of tables: flags, commands, files, codes.
fn first_cells(readme: &str) -> Vec<&str> {
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| `") || line.starts_with("| 1"));
    rows.filter_map(|row| row.split(" | ").next()).collect()
}

fn headings(readme: &str) -> Vec<usize> {
    let headings = readme.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.bytes().take_while(|byte| *byte == b'#').count())
        .collect()
}

#[test]
fn both_have_the_same_commands_tables_and_sections() {
    assert!(commands(ENGLISH).len() > 15);
    assert_eq!(commands(CHINESE), commands(ENGLISH));
    assert!(first_cells(ENGLISH).len() > 40);
    assert_eq!(first_cells(CHINESE), first_cells(ENGLISH));
    assert_eq!(headings(CHINESE), headings(ENGLISH));
}

#[test]
fn both_name_every_flag_of_apply_and_no_other() {
    let command = Cli::command();
    let names = |name: &str| -> BTreeSet<String> {
        let command = command.find_subcommand(name).unwrap();
        let flags = command.get_arguments().filter_map(|arg| arg.get_long());
        flags.map(|flag| format!("--{flag}")).collect()
    };
    let of_apply = names("apply");
    let everywhere: BTreeSet<String> = command
        .get_subcommands()
        .flat_map(|command| {
            let deeper = command.get_subcommands().chain([command]);
            deeper.flat_map(|command| command.get_arguments().filter_map(|arg| arg.get_long()))
        })
        .map(|flag| format!("--{flag}"))
        .chain(["--color", "--help", "--release", "--path", "--example"].map(Into::into))
        .collect();
    for readme in [ENGLISH, CHINESE] {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let words = readme.split(|c| !is_part(c));
        let named: BTreeSet<String> = words
            .filter(|word| word.starts_with("--") && word.len() > 3 && !word.contains("---"))
            .map(Into::into)
            .collect();
        // Told by their short names.
        let short = ["--quiet", "--verbose"].map(String::from);
        let missing: Vec<_> = of_apply
            .difference(&named)
            .filter(|flag| !short.contains(flag))
            .collect();
        assert_eq!(missing, Vec::<&String>::new());
        let unknown: Vec<_> = named.difference(&everywhere).collect();
        assert_eq!(unknown, Vec::<&String>::new());
    }
}

#[test]
fn what_both_link_to_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for readme in [ENGLISH, CHINESE] {
        let links = readme
            .split("](")
            .skip(1)
            .chain(readme.split("src=\"").skip(1));
        let links = links.filter_map(|link| link.split([')', '"']).next());
        for link in links.filter(|link| !link.starts_with("https:")) {
            assert!(root.join(link).exists(), "{link}");
        }
    }
}

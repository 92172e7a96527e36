//! `config`: every setting of `apply` and where it comes from, after the same resolution. What it
//! prints is a configuration file again.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, CommandFactory};
use serde_json::{Value, json};

use crate::cli::args::{ApplyArgs, Cli};
use crate::cli::exit::Exit;
use crate::cli::input_args;
use crate::cli::printer::Printer;
use crate::cli::secret_url::SecretUrl;
use crate::cli::settings::{ENDPOINT_INTL, Environment, Origin, Settings, System};

/// The flags of `config`: those of `apply`, so that a line can be tried as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("files", |arg| arg.required(false).help("Not looked at, so that a line of apply can be tried as it is")),
    mut_arg("json", |arg| arg.help("Print JSON")),
)]
pub struct ConfigArgs {
    /// What `apply` would be given.
    #[command(flatten)]
    pub apply: ApplyArgs,
}

const EXAMPLES: &str = "\
A flag wins over its variable, a variable over the file, the file over the default. Keys are no
settings and are not shown.

Examples:
  lcic-sync config
  lcic-sync config --config night.toml --rate 15    what apply would do with these flags
  lcic-sync config > lcic-sync.toml                 a file to begin with
  lcic-sync config --json                           for a program";

/// A setting as it is shown.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    name: String,
    /// Null where there is none.
    value: Value,
    origin: Origin,
}

/// Runs the command.
///
/// # Errors
/// Those of the settings, and when standard output does not take it.
pub fn run(args: &ConfigArgs) -> anyhow::Result<Exit> {
    let text = text(args, &System)?;
    let printer = Printer::new(false, 0);
    printer.data(&text).context("standard output")?;
    Ok(Exit::Done)
}

fn text(args: &ConfigArgs, environment: &dyn Environment) -> anyhow::Result<String> {
    // Here it is this command's own flag.
    let apply = ApplyArgs {
        json: false,
        ..args.apply.clone()
    };
    let settings = Settings::resolve(&apply, environment)?;
    let shown = shown(&settings);
    Ok(match args.apply.json {
        true => in_json(&settings, &shown),
        false => in_toml(&settings, &shown),
    })
}

/// Every flag of `apply`, in the order of its help.
fn shown(settings: &Settings) -> Vec<Shown> {
    let command = Cli::command();
    let apply = command.find_subcommand("apply").expect("is a command");
    let flags = apply.get_arguments().filter_map(|arg| arg.get_long());
    let flags = flags.filter(|flag| *flag != "config");
    let shown = flags.map(|flag| Shown {
        name: flag.to_owned(),
        value: value(settings, flag),
        origin: settings.origins.of(flag).clone(),
    });
    shown.collect()
}

fn value(settings: &Settings, flag: &str) -> Value {
    let limits = &settings.limits;
    if let Some(value) = input_args::shown(&settings.rules, flag) {
        return value;
    }
    let unattended = &settings.unattended;
    match flag {
        "endpoint" => settings.endpoint.as_str().into(),
        "site" if settings.origins.is_default(flag) => Value::Null,
        "site" if settings.endpoint == ENDPOINT_INTL => "intl".into(),
        "site" => "cn".into(),
        "account" => settings.account.as_deref().into(),
        "ca-file" => path(settings.ca_file.as_deref()),
        "rate" => number(limits.rate.get()),
        "concurrency" => limits.concurrency.into(),
        "max-attempts" => limits.max_attempts.into(),
        "timeout" => number(settings.timeout.as_secs_f64()),
        "max-outage" => time(Some(limits.max_outage)),
        "all" => settings.wishes.all.into(),
        "limit" => settings.wishes.limit.into(),
        "dry-run" => settings.dry_run.into(),
        "show" => settings.show.into(),
        "max-age" => time(settings.wishes.max_age),
        "max-changes" => settings
            .guards
            .max_changes
            .map(|limit| limit.to_string())
            .into(),
        "min-rows" => settings.guards.min_rows.into(),
        "max-duration" => time(settings.max_duration),
        "until" => settings
            .until
            .map(|until| until.format("%H:%M").to_string())
            .into(),
        "wait-lock" => time(settings.wait_lock),
        "canary" => settings.canary.into(),
        "yes" => settings.yes.into(),
        "state-dir" => settings.state_dir.to_string_lossy().into(),
        "report-dir" => settings.report_dir.to_string_lossy().into(),
        "excel" => settings.excel.into(),
        "json" => settings.json.into(),
        "quiet" => settings.quiet.into(),
        "verbose" => settings.verbose.into(),
        "lang" => settings.lang.name().into(),
        "no-progress" => (!settings.progress).into(),
        "cron" => unattended.cron.into(),
        "log-file" => path(unattended.log_file.as_deref()),
        "log-format" => unattended.log_format.name().into(),
        "keep-runs" => unattended.keep_runs.into(),
        "ping-url" => unattended
            .ping_url
            .as_ref()
            .map(SecretUrl::to_string)
            .into(),
        "metrics-file" => path(unattended.metrics_file.as_deref()),
        "notify-url" => settings.notify_url.as_ref().map(ToString::to_string).into(),
        // Each run has another.
        "seed" if settings.origins.is_default(flag) => Value::Null,
        "seed" => limits.seed.into(),
        _ => unreachable!("--{flag} is a setting of apply that config does not know"),
    }
}

fn time(time: Option<Duration>) -> Value {
    let shown = time.map(|time| humantime::format_duration(time).to_string());
    shown.into()
}

fn path(path: Option<&Path>) -> Value {
    path.map(|path| path.to_string_lossy()).into()
}

/// Without a point where none is needed.
fn number(number: f64) -> Value {
    if number.fract() == 0.0 {
        (number as u64).into()
    } else {
        number.into()
    }
}

fn in_toml(settings: &Settings, shown: &[Shown]) -> String {
    let mut text = match &settings.config_file {
        None => "# no configuration file\n".to_owned(),
        Some(path) => format!("# configuration file: {path:?}\n"),
    };
    let lines: Vec<String> = shown.iter().map(line).collect();
    // A long value does not push all origins out of sight.
    const WIDEST: usize = 48;
    let lengths = lines.iter().map(|line| line.chars().count());
    let width = lengths.filter(|length| *length <= WIDEST).max();
    let width = width.unwrap_or_default();
    for (line, Shown { origin, .. }) in lines.iter().zip(shown) {
        text += &format!("{line:width$}  # {origin}\n");
    }
    text
}

fn line(shown: &Shown) -> String {
    let Shown { name, value, .. } = shown;
    match value {
        Value::Null if name == "seed" => format!("# {name}: another one for each run"),
        Value::Null => format!("# {name}: not set"),
        // A secret; what is shown of it can't be read again.
        value if ["ping-url", "notify-url"].contains(&name.as_str()) => {
            format!("# {name}: {value}")
        }
        // Its texts are escaped as TOML's are; only this one character is not.
        value => format!("{name} = {value}").replace('\u{7F}', "\\u007F"),
    }
}

fn in_json(settings: &Settings, shown: &[Shown]) -> String {
    let settings_in_json: Vec<Value> = shown
        .iter()
        .map(
            |Shown {
                 name,
                 value,
                 origin,
             }| {
                json!({
                    "name": name,
                    "value": value,
                    "source": origin.kind(),
                    "from": origin.to_string(),
                })
            },
        )
        .collect();
    let path = settings
        .config_file
        .as_ref()
        .map(|path| path.to_string_lossy());
    let json = json!({ "config_file": path, "settings": settings_in_json });
    format!("{json:#}\n")
}

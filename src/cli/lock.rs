//! Who may use the state directory: one run at a time, and none that would read what it writes.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep};

use super::exit::Exit;
use super::printer::Printer;
use super::settings::Settings;
use crate::state::{StateDir, StateError, input_that_is_an_output, written_in};

/// How often a taken lock is tried again. Chosen: nobody notices it, and it costs nothing.
const TRY_LOCK_EVERY: Duration = Duration::from_millis(200);

/// Refuses an input that a run would write to, and a file named for a log or for metrics that is
/// another file of the run.
///
/// # Errors
/// When there is one.
pub fn check_outputs(settings: &Settings) -> anyhow::Result<()> {
    let mut outputs = written_in(&settings.state_dir).to_vec();
    let unattended = &settings.unattended;
    let mut taken = outputs.clone();
    taken.extend(settings.config_file.clone());
    taken.extend(settings.ca_file.clone());
    let named = [
        ("--log-file", &unattended.log_file),
        ("--metrics-file", &unattended.metrics_file),
    ];
    for (flag, path) in named {
        let Some(path) = path else { continue };
        // A file that is not there yet is known by its name alone.
        let by_name = taken.iter().find(|taken| *taken == path);
        let text = [path.to_string_lossy().into_owned()];
        let same = input_that_is_an_output(&text, &taken).map(|(_, taken)| taken);
        if let Some(taken) = by_name.map(PathBuf::as_path).or(same) {
            return Err(anyhow!(
                "{flag} {}: is the same file as {}, which it would destroy\nhint: name a file of its own",
                path.display(),
                taken.display()
            ));
        }
        taken.push(path.clone());
        outputs.push(path.clone());
    }
    // As far as they are files.
    outputs.extend(["/dev/stdout".into(), "/dev/stderr".into()]);
    match input_that_is_an_output(&settings.inputs, &outputs) {
        None => Ok(()),
        Some((input, output)) => Err(anyhow!(
            "{input}: is the same file as {}, which this run writes to\nhint: write elsewhere, or apply a copy",
            output.display()
        )),
    }
}

/// Takes the lock of the state directory, and waits for it as long as the person wants.
///
/// # Errors
/// When it stays taken, when the directory can't be used, and when a signal comes.
pub async fn take(
    settings: &Settings,
    printer: &Printer,
    signals: &mut UnboundedReceiver<i32>,
) -> Result<StateDir, (Exit, anyhow::Error)> {
    let wait = settings.wait_lock.unwrap_or_default();
    let give_up = Instant::now() + wait;
    let mut has_said = false;
    loop {
        match StateDir::lock(&settings.state_dir) {
            Ok(state) => return Ok(state),
            Err(error @ StateError::Io { .. }) => return Err((Exit::Usage, error.into())),
            Err(error @ StateError::Locked { .. }) if Instant::now() >= give_up => {
                return Err((Exit::Locked, error.into()));
            }
            Err(StateError::Locked { holder, .. }) if !has_said => {
                let lang = printer.lang();
                printer.say(&lang.waits_for_run(lang.duration(wait), holder));
                has_said = true;
            }
            Err(StateError::Locked { .. }) => {}
        }
        tokio::select! {
            biased;
            Some(signal) = signals.recv() => {
                let error = anyhow!("stopped by a signal while waiting for another run");
                return Err((Exit::of_signal(signal), error));
            }
            () = sleep(TRY_LOCK_EVERY) => {}
        }
    }
}

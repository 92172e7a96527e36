//! Signals as numbers on a channel: interrupt, terminate, hang-up. From the first look on they no
//! longer kill the process; what they do is up to whoever listens.

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// SIGHUP.
pub const HANG_UP: i32 = 1;
/// SIGINT.
pub const INTERRUPT: i32 = 2;
/// SIGTERM.
pub const TERMINATE: i32 = 15;

/// Begins to listen. Must be called within the runtime.
///
/// # Errors
/// When the system does not let it.
pub fn listen() -> std::io::Result<UnboundedReceiver<i32>> {
    // Left alone it kills whoever writes beyond a limit on the size of files (`ulimit -f`). With a
    // handler the write fails, like one to a full disk, and the run ends in good order (rule T7).
    let _ = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
    let (sender, receiver) = unbounded_channel();
    // `nohup` says that a hang-up shall not matter. An ignored interrupt says nothing: shells
    // ignore it for everything in the background, and whoever sends one means it.
    let hang_up = (!ignores_hang_up()).then_some(HANG_UP);
    for number in hang_up.into_iter().chain([INTERRUPT, TERMINATE]) {
        let mut stream = signal(SignalKind::from_raw(number))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if sender.send(number).is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}

/// Whether hang-ups were ignored when the program began; no where the system does not tell.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (HANG_UP - 1) & 1 == 1)
}

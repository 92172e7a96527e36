//! How long the program takes to `--version`, and from its start to the first call of an `apply` of
//! one row over loopback, with a ledger that is not there yet. `cargo bench --bench startup [ROUNDS]`
//!
//! By the clock, of which a busy machine and its disk take what they like: told are the best, the
//! median and the worst. A directory on a RAM disk, if there is one, shows what is not the disk's.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lcic-sync");

fn main() {
    let rounds = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next_back()
        .unwrap_or(41);
    told("--version", rounds, version);
    let disk = std::env::temp_dir();
    told("first call, on disk", rounds, || first_call(&disk));
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        told("first call, in memory", rounds, || first_call(memory));
    }
}

fn told(what: &str, rounds: usize, mut run: impl FnMut() -> Duration) {
    let mut times: Vec<Duration> = (0..rounds).map(|_| run()).collect();
    times.sort();
    let (best, median, worst) = (times[0], times[rounds / 2], times[rounds - 1]);
    println!("{what:22} {best:8.1?} at best, {median:8.1?} in the median, {worst:8.1?} at worst");
}

fn version() -> Duration {
    let began = Instant::now();
    let output = Command::new(PROGRAM).arg("--version").output();
    let took = began.elapsed();
    assert!(output.expect("the program").status.success());
    took
}

/// Until the first bytes of the first call have come; then it is over.
fn first_call(parent: &Path) -> Duration {
    let dir = tempfile::tempdir_in(parent).expect("a directory");
    std::fs::write(dir.path().join("users.csv"), "UserId,Nickname\na,b\n").expect("a file");
    let service = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", service.local_addr().expect("an address"));
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .env("TENCENTCLOUD_SECRET_ID", "AKIDexample")
        .env("TENCENTCLOUD_SECRET_KEY", "example")
        .current_dir(dir.path())
        .args([
            "apply",
            "--endpoint",
            &url,
            "--state-dir",
            "state",
            "users.csv",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let mut run = command.spawn().expect("the program");
    let (mut call, _) = service.accept().expect("a call");
    let n_bytes = call.read(&mut [0; 1]).expect("a call");
    let took = began.elapsed();
    assert_eq!(n_bytes, 1, "it hung up");
    run.kill().expect("it waits for an answer");
    run.wait().expect("it is over");
    took
}

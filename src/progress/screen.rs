//! The one way to standard error. Everything that is said (lines, warnings, logs) goes through a
//! [`Screen`], which takes the bar away for the moment, so that nothing lands in the middle of it.
//!
//! Who reads standard error may have gone (`2>&1 | head`): that is no reason to end a run, so
//! what can't be written is dropped.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::MultiProgress;
use tracing_subscriber::fmt::MakeWriter;

use super::looks::Looks;

/// A handle; clones share one screen.
#[derive(Clone)]
pub struct Screen {
    bars: MultiProgress,
    out: Arc<Mutex<dyn Write + Send>>,
    looks: fn() -> Looks,
}

impl Screen {
    /// The standard error of this process.
    pub fn stderr() -> Self {
        Self {
            bars: MultiProgress::new(),
            out: Arc::new(Mutex::new(io::stderr())),
            looks: Looks::of_stderr,
        }
    }

    /// Where bars are drawn.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Says one line, or several.
    pub fn line(&self, text: &str) {
        self.text(&format!("{text}\n"));
    }

    /// Says something as it is, a question for example.
    pub fn text(&self, text: &str) {
        self.bytes((self.looks)().fit(text).as_bytes());
    }

    fn bytes(&self, bytes: &[u8]) {
        self.bars.suspend(|| {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody to tell that nobody listens.
            let _ = out.write_all(bytes).and_then(|()| out.flush());
        });
    }
}

/// One log line on its way: it is said when it is whole.
pub struct LogLine {
    screen: Screen,
    bytes: Vec<u8>,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        self.screen.bytes(&self.bytes);
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine {
            screen: self.clone(),
            bytes: Vec::new(),
        }
    }
}

#[cfg(test)]
pub(crate) use captured::Captured;

#[cfg(test)]
mod captured {
    use super::*;

    /// What was said on a screen that no one sees.
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        pub(crate) fn lines(&self) -> Vec<String> {
            self.text().lines().map(Into::into).collect()
        }
    }

    impl Screen {
        pub(crate) fn captured() -> (Self, Captured) {
            let bytes = Arc::new(Mutex::new(Vec::new()));
            let target = indicatif::ProgressDrawTarget::hidden();
            let screen = Self {
                bars: MultiProgress::with_draw_target(target),
                out: bytes.clone(),
                looks: Looks::default,
            };
            (screen, Captured(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn nobody_listening_is_no_reason_to_end() {
        let screen = Screen {
            out: Arc::new(Mutex::new(Gone)),
            ..Screen::stderr()
        };
        screen.line("hello");
    }

    #[test]
    fn a_log_line_is_said_in_one_piece() {
        let (screen, captured) = Screen::captured();
        let mut line = screen.make_writer();
        line.write_all(b"half ").unwrap();
        screen.line("between");
        line.write_all(b"whole\n").unwrap();
        drop(line);
        assert_eq!(captured.text(), "between\nhalf whole\n");
    }
}

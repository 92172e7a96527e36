//! What a person sees while a run is under way. Four faces: a bar on a terminal, a line every
//! half minute elsewhere, warnings alone, or nothing.
//!
//! [`view`] folds events into numbers and words and knows no terminal; [`screen`] is the one way
//! to standard error, so that nothing tears the bar. Here is only when what is shown.

mod looks;
pub mod screen;
pub mod view;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::pacer::Rate;
use crate::event::{Event, Observer, StopCause};
use crate::lang::Lang;
use screen::Screen;
use view::View;

/// From one line to the next where there is no terminal: a log of a night's run stays readable.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// From one drawing of the bar to the next: smooth enough for eyes, and cheap at any pace.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// Characters of the bar.
const BAR: u64 = 20;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// A bar, drawn over and over; warnings above it.
    Bar,
    /// A line now and then; warnings.
    Lines,
    /// Warnings only.
    Warnings,
    /// Only that a signal was heard: whoever gives one at a terminal waits for something to happen.
    Signals,
    /// Nothing at all.
    Silent,
}

/// Which face fits.
pub fn resolve(is_terminal: bool, quiet: bool, no_progress: bool) -> Face {
    match (quiet, no_progress, is_terminal) {
        (true, _, true) => Face::Signals,
        (true, _, false) => Face::Silent,
        (false, true, _) => Face::Warnings,
        (false, false, true) => Face::Bar,
        (false, false, false) => Face::Lines,
    }
}

/// Shows how a run goes: told by its events, and by [`Progress::tick`] when there are none.
pub struct Progress {
    lang: Lang,
    face: Face,
    screen: Screen,
    view: View,
    next: Duration,
    /// When something was last heard.
    last: Duration,
    drawn: Option<Drawn>,
}

/// What stands on the terminal, from top to bottom.
struct Drawn {
    bar: ProgressBar,
    numbers: ProgressBar,
    /// Only there while there is something to say.
    waiting: Option<ProgressBar>,
}

impl Progress {
    /// Nothing is shown before the first event. `rate` is for the time that is left.
    pub fn new(face: Face, screen: &Screen, rate: Rate, lang: Lang) -> Self {
        let next = match face {
            Face::Lines => LINE_EVERY,
            _ => Duration::ZERO,
        };
        Self {
            lang,
            face,
            screen: screen.clone(),
            view: View::new(rate, lang),
            next,
            last: Duration::ZERO,
            drawn: None,
        }
    }

    /// To be called at least once a second, so that time is seen to pass while nothing happens.
    pub fn tick(&mut self, at: Duration) {
        self.last = at;
        if at < self.next || !self.view.has_started() {
            return;
        }
        match self.face {
            Face::Bar => {
                self.next = at + DRAW_EVERY;
                self.draw(at);
            }
            Face::Lines => {
                // Not `at`: lines keep to their half minutes, however late a tick comes.
                while self.next <= at {
                    self.next += LINE_EVERY;
                }
                self.screen.line(&self.view.line(at));
            }
            Face::Warnings | Face::Signals | Face::Silent => {}
        }
    }

    fn draw(&mut self, at: Duration) {
        let drawn = self.drawn.get_or_insert_with(|| Drawn::new(&self.screen));
        drawn.bar.set_length(self.view.rows());
        drawn.bar.set_position(self.view.done());
        drawn.bar.set_message(self.view.headline(at));
        drawn.numbers.set_message(self.view.numbers());
        match (self.view.waiting(at), &drawn.waiting) {
            (None, _) => drawn.waiting = None,
            (Some(words), Some(bar)) => bar.set_message(words),
            (Some(words), None) => {
                let bar = self.screen.bars().add(text_bar());
                bar.set_message(words);
                drawn.waiting = Some(bar);
            }
        }
    }
}

impl Observer for Progress {
    fn on(&mut self, at: Duration, event: &Event) {
        let by_signal = matches!(
            event,
            Event::RunStopping {
                cause: StopCause::Signal(_),
                ..
            }
        );
        if self.face == Face::Silent || self.face == Face::Signals && !by_signal {
            return;
        }
        self.view.on(at, event);
        if let Some(warning) = view::warning(event, self.lang) {
            self.screen.line(&warning);
        }
        self.tick(at);
    }

    fn tick(&mut self, at: Duration) {
        Self::tick(self, at);
    }
}

impl Drop for Progress {
    /// How far it came stays on the terminal, above what is said next.
    fn drop(&mut self) {
        if self.drawn.take().is_some() {
            let done = BAR * self.view.done() / self.view.rows().max(1);
            let bar = "=".repeat(done as usize);
            self.screen.line(&format!(
                "[{bar:width$}] {}\n{}",
                self.view.headline(self.last),
                self.view.numbers(),
                width = BAR as usize
            ));
        }
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        // A bar that is dropped without this may stay on the terminal.
        for bar in self.waiting.iter().chain([&self.numbers, &self.bar]) {
            bar.finish_and_clear();
        }
    }
}

impl Drawn {
    fn new(screen: &Screen) -> Self {
        let style = ProgressStyle::with_template(&format!("[{{bar:{BAR}}}] {{wide_msg}}"))
            .expect("the template is sound")
            .progress_chars("=> ");
        let bar = ProgressBar::new(0).with_style(style);
        Self {
            bar: screen.bars().add(bar),
            numbers: screen.bars().add(text_bar()),
            waiting: None,
        }
    }
}

/// A line of text that is cut off at the terminal's edge rather than wrapped.
fn text_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg}").expect("the template is sound");
    ProgressBar::new(0).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fault, Outcome};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn progress(face: Face) -> (Progress, screen::Captured) {
        let (screen, captured) = Screen::captured();
        let rate = Rate::per_second(20.0).unwrap();
        (Progress::new(face, &screen, rate, Lang::En), captured)
    }

    fn a_run(progress: &mut Progress) {
        let started = Event::RunStarted {
            rows: 2000,
            rows_to_send: 2000,
            changes: 2000,
        };
        progress.on(Duration::ZERO, &started);
        for at in 0..95 {
            progress.on(seconds(at), &Event::CallSent { attempt: 1 });
            let settled = Event::RowsSettled {
                outcome: Outcome::Applied,
                rows: 1,
                at: None,
                code: None,
            };
            progress.on(seconds(at), &settled);
        }
        let fault = Fault::ours("no answer", "timed out");
        progress.on(seconds(95), &Event::OutageBegan { fault });
    }

    #[test]
    fn the_face_fits_the_place_and_the_wish() {
        let table = [
            (true, false, false, Face::Bar),
            (false, false, false, Face::Lines),
            (true, false, true, Face::Warnings),
            (false, false, true, Face::Warnings),
            (true, true, false, Face::Signals),
            (true, true, true, Face::Signals),
            (false, true, true, Face::Silent),
        ];
        for (is_terminal, quiet, no_progress, expected) in table {
            let found = resolve(is_terminal, quiet, no_progress);
            assert_eq!(found, expected, "{is_terminal} {quiet} {no_progress}");
        }
    }

    #[test]
    fn the_last_state_stays_on_the_terminal_and_fits_into_80_columns() {
        let (mut progress, captured) = progress(Face::Bar);
        a_run(&mut progress);
        assert_eq!(captured.lines().len(), 1, "the outage");
        drop(progress);
        assert_eq!(
            captured.lines()[1..],
            [
                "[                    ] 95/2,000  0.8/s",
                "95 applied, 0 failed, 0 retrying"
            ]
        );
        // With the largest numbers there are.
        let (mut progress, captured) = self::progress(Face::Bar);
        let rows = 9_999_999;
        let started = Event::RunStarted {
            rows,
            rows_to_send: rows,
            changes: rows,
        };
        progress.on(seconds(0), &started);
        for outcome in [Outcome::Applied, Outcome::Failed] {
            let settled = Event::RowsSettled {
                outcome,
                rows: rows / 2,
                at: None,
                code: None,
            };
            progress.on(seconds(1), &settled);
        }
        drop(progress);
        let widest = captured
            .lines()
            .iter()
            .map(|line| line.chars().count())
            .max();
        assert!(
            (50..=80).contains(&widest.unwrap()),
            "{:?}",
            captured.lines()
        );
    }

    #[test]
    fn without_a_terminal_a_line_comes_every_half_minute() {
        let (mut progress, captured) = progress(Face::Lines);
        a_run(&mut progress);
        let lines = captured.lines();
        let of_progress = lines.iter().filter(|line| line.contains("/2,000 rows"));
        assert_eq!(of_progress.count(), 3, "{lines:?}");
        assert_eq!(
            lines[0],
            "30/2,000 rows, 30 applied, 0 failed, 0 retrying, 1.0/s, 32 min 50 s left"
        );
        // While nothing happens, ticks go on telling, and late ones don't pile up.
        progress.tick(seconds(119));
        progress.tick(seconds(185));
        progress.tick(seconds(186));
        assert_eq!(captured.lines().len(), lines.len() + 1);
    }

    #[test]
    fn warnings_are_told_unless_quiet() {
        for (face, warnings, with_signal) in [
            (Face::Warnings, 1, 2),
            (Face::Signals, 0, 1),
            (Face::Silent, 0, 0),
        ] {
            let (mut progress, captured) = progress(face);
            a_run(&mut progress);
            progress.tick(seconds(300));
            assert_eq!(captured.lines().len(), warnings, "{face:?}");
            let stopping = Event::RunStopping {
                cause: StopCause::Signal(2),
                in_flight: 1,
            };
            progress.on(seconds(301), &stopping);
            assert_eq!(captured.lines().len(), with_signal, "{face:?}");
        }
    }
}

//! The canary's part in the loop: what it keeps is not settled before it is read back, and nothing
//! else leaves until then. What it decides is in [`crate::canary`].

use super::Running;
use crate::canary::{Back, read_back};
use crate::engine::{Input, Settlement};
use crate::event::{CanaryFailure, Event, StopCause};
use crate::model::{Fault, Outcome};
use crate::tencent::client::Transport;

impl<T: Transport> Running<T> {
    /// What became of a change; one that the canary keeps is not settled before it is read back.
    pub(super) fn settled(&mut self, settlement: Settlement) {
        let settlement = match &mut self.canary {
            Some(canary) => canary.settled(settlement),
            None => Some(settlement),
        };
        if let Some(settlement) = settlement {
            self.settle(settlement);
        }
    }

    /// An accepted change of the canary is told when it is settled.
    pub(super) fn is_for_canary(&self, event: &Event) -> bool {
        let accepted = Outcome::Applied;
        let is_accepted =
            matches!(event, Event::RowsSettled { outcome, .. } if *outcome == accepted);
        self.canary.is_some() && is_accepted
    }

    /// Has the canary read back once all of it is back. A run that stops does not wait for it.
    pub(super) fn hear_canary(&mut self) {
        let Some(canary) = &mut self.canary else {
            return;
        };
        if self.engine.stopping().is_some() {
            if let Some(reading) = self.reading_back.take() {
                reading.abort();
            }
            let kept = canary.release();
            return self.end_canary(kept, None);
        }
        if self.reading.is_some() || self.reading_back.is_some() {
            return;
        }
        match canary.back() {
            Back::No => {}
            Back::Ask(given) => {
                let reading = read_back(self.transport.clone(), given);
                self.reading_back = Some(tokio::spawn(reading));
            }
            Back::Done => self.end_canary(Vec::new(), None),
            Back::None(failure) => self.end_canary(Vec::new(), Some(failure)),
        }
    }

    pub(super) fn judge_canary(&mut self, found: Result<Vec<usize>, Fault>) -> Vec<Input> {
        if let Some(canary) = &mut self.canary {
            let (kept, failure) = match found {
                Ok(not_shown) => canary.judge(&not_shown),
                Err(fault) => (canary.release(), Some(CanaryFailure::Unread(fault))),
            };
            if failure.is_none() {
                let users = kept.len() as u64;
                self.tell(Event::CanaryHeld { users });
            }
            self.end_canary(kept, failure);
        }
        Vec::new()
    }

    /// Settles what the canary kept, and lets the others go or stops the run.
    fn end_canary(&mut self, kept: Vec<Settlement>, failure: Option<CanaryFailure>) {
        let canary = self.canary.take().expect("it ends once");
        for settlement in kept {
            self.tell(settlement.told());
            self.settle(settlement);
        }
        if let Some(failure) = failure {
            self.step(Input::Stop(StopCause::Canary(failure)));
        }
        // Where the run is stopping, the engine settles them as pending.
        self.step(Input::Changes(canary.aside));
        if canary.input_ended {
            self.step(Input::InputEnded);
        }
    }
}

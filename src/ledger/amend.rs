//! Takes back: forgets what is kept of a user, and tells what a run's users held before it.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, params};

use super::{Ledger, Result, place};
use crate::model::{Field, PerField};
use crate::plan::COOLDOWN;

/// What became of a wish to forget a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// Nothing is known of the user any more.
    Done,
    /// Nothing was known.
    NotKnown,
    /// A call left that may still arrive: after it is forgotten another value could be sent too
    /// early (rule T3).
    TooEarly,
}

/// What a field held before a run changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier<'l> {
    /// The run did not change it, or a later one has changed it again.
    NotConcerned,
    /// This value; '' if it was cleared.
    Held(&'l str),
    /// Nobody knows: this ledger had not given it any.
    NotKnown,
}

impl Ledger {
    /// Forgets a user, so that the next file that names it is sent in full.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn forget(&mut self, user: &str, now: DateTime<Utc>) -> Result<Forgotten> {
        let free_since = (now - COOLDOWN).timestamp_millis();
        let tx = self.db.transaction()?;
        let at_place = params![place(&self.keys, user), user];
        let last: Option<Option<i64>> = tx
            .query_row(
                "SELECT nullif(max(ifnull(nickname_doubt_at, 0), ifnull(nickname_late_at, 0),
                                   ifnull(avatar_doubt_at, 0), ifnull(avatar_late_at, 0)), 0)
                 FROM user WHERE id BETWEEN ?1 AND ?1 + 8 AND user_id = ?2",
                at_place,
                |row| row.get(0),
            )
            .optional()?;
        let forgotten = match last {
            None => Forgotten::NotKnown,
            Some(Some(last)) if last > free_since => Forgotten::TooEarly,
            Some(_) => {
                // The place is free now. That another user stands behind it for want of it is as
                // unlikely as two keys that are alike.
                let delete = "DELETE FROM user WHERE id BETWEEN ?1 AND ?1 + 8 AND user_id = ?2";
                tx.execute(delete, at_place)?;
                Forgotten::Done
            }
        };
        tx.commit()?;
        Ok(forgotten)
    }

    /// Calls back with every user that `run` changed, or may have changed, and what each field
    /// held before. A field that a later run has changed again is left to that run: what it made of
    /// it was meant.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn undo(&self, run: u32, each: &mut dyn FnMut(&str, PerField<Earlier<'_>>)) -> Result<()> {
        let tx = self.db.unchecked_transaction()?;
        let mut under_way = self.under_way()?;
        under_way.retain(|_, change| change.run == run);
        let mut select = tx.prepare(
            "SELECT user_id,
                    nickname, nickname_run, nickname_before, nickname_doubt, nickname_doubt_run,
                    avatar, avatar_run, avatar_before, avatar_doubt, avatar_doubt_run
             FROM user ORDER BY id",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let user = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            let change = under_way.remove(user);
            let is_under_way = |field| {
                let sent = change.as_ref();
                sent.is_some_and(|change| change.values[field].is_some())
            };
            let earlier = PerField {
                nickname: earlier(row, 1, run, is_under_way(Field::Nickname))?,
                avatar: earlier(row, 6, run, is_under_way(Field::Avatar))?,
            };
            tell(user, earlier, each);
        }
        for (user, change) in &under_way {
            let earlier = PerField::from_fn(|field| match &change.values[field] {
                Some(_) => Earlier::NotKnown,
                None => Earlier::NotConcerned,
            });
            tell(user, earlier, each);
        }
        Ok(())
    }
}

fn tell<'e>(
    user: &str,
    earlier: PerField<Earlier<'e>>,
    each: &mut dyn FnMut(&str, PerField<Earlier<'e>>),
) {
    let is_concerned = |field: &Field| earlier[*field] != Earlier::NotConcerned;
    if Field::ALL.iter().any(is_concerned) {
        each(user, earlier);
    }
}

/// Of the field whose columns begin `at`.
fn earlier<'r>(
    row: &'r Row<'_>,
    at: usize,
    run: u32,
    is_under_way: bool,
) -> rusqlite::Result<Earlier<'r>> {
    let text = |at: usize| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_str_or_null()?);
    let (held, before, doubt) = (text(at)?, text(at + 2)?, text(at + 3)?);
    let held_by_it = row.get::<_, Option<u32>>(at + 1)? == Some(run);
    let doubt_by_it = is_under_way || row.get::<_, Option<u32>>(at + 4)? == Some(run);
    let value = match (held_by_it, doubt_by_it) {
        // A later run left another value in doubt: that run was the last to change it.
        (true, false) if doubt.is_some() && doubt != held => return Ok(Earlier::NotConcerned),
        (true, _) => before,
        (false, true) => held,
        (false, false) => return Ok(Earlier::NotConcerned),
    };
    Ok(value.map_or(Earlier::NotKnown, Earlier::Held))
}

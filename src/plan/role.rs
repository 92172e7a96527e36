//! What the plan says of each row, packed into four bytes a row: four bits of kind, 28 bits of
//! what belongs to it.

use crate::input::survey::MAX_ROWS;
use crate::model::{Field, Fields};

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The service holds it already: what each is until something else is said of it, so that a
    /// file of nothing else costs no look at any.
    Unchanged,
    /// The row itself is wrong.
    Invalid,
    /// Another row of the same user is wrong.
    HeldBack {
        /// That row.
        by: u32,
    },
    /// Later rows override everything it sets.
    Superseded {
        /// The last of them.
        by: u32,
    },
    /// It comes from a `failures.csv`, and a newer run has taken care of its user.
    SupersededByRun {
        /// That run.
        run: u32,
    },
    /// Beyond `--limit`.
    Pending,
    /// The only row of its change.
    Sends {
        /// The fields to send.
        fields: Fields,
    },
    /// The earlier of the two rows of its change.
    Part {
        /// Number of the note on both.
        note: u32,
    },
    /// The later of the two rows of its change: with it the change is complete.
    Completes {
        /// Number of the note on both.
        note: u32,
    },
}

/// The kind of an unchanged row; 0, so that new memory holds nothing else.
const UNCHANGED: u32 = 0;

/// A change that takes its two fields from two rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note {
    /// The row that comes first.
    pub earlier: u32,
    /// The row that comes last.
    pub completing: u32,
    /// The fields to send.
    pub fields: Fields,
    /// Where the earlier row begins in its file; known once the second pass has come by.
    pub offset: u64,
}

/// The roles of all rows.
pub(super) struct Roles {
    packed: Vec<u32>,
    notes: Vec<Note>,
}

impl Roles {
    pub(super) fn new(n_rows: usize) -> Self {
        Self {
            packed: vec![0; n_rows],
            notes: Vec::new(),
        }
    }

    pub(super) fn set(&mut self, row: u32, role: Role) {
        let (kind, payload) = match role {
            Role::Unchanged => (UNCHANGED, 0),
            Role::Invalid => (1, 0),
            Role::HeldBack { by } => (2, by),
            Role::Superseded { by } => (3, by),
            Role::SupersededByRun { run } => (4, run),
            Role::Pending => (5, 0),
            Role::Sends { fields } => {
                let bit = |field| u32::from(fields[field]);
                (6, bit(Field::Nickname) | bit(Field::Avatar) << 1)
            }
            Role::Part { note } => (7, note),
            Role::Completes { note } => (8, note),
        };
        debug_assert!(payload < MAX_ROWS);
        self.packed[row as usize] = kind << 28 | payload;
    }

    /// Gives both rows of a change their roles.
    pub(super) fn set_pair(&mut self, note: Note) {
        let number = self.notes.len() as u32;
        self.set(note.earlier, Role::Part { note: number });
        self.set(note.completing, Role::Completes { note: number });
        self.notes.push(note);
    }

    pub(super) fn get(&self, row: u32) -> Role {
        let packed = self.packed[row as usize];
        let payload = packed & (MAX_ROWS - 1);
        match packed >> 28 {
            UNCHANGED => Role::Unchanged,
            1 => Role::Invalid,
            2 => Role::HeldBack { by: payload },
            3 => Role::Superseded { by: payload },
            4 => Role::SupersededByRun { run: payload },
            5 => Role::Pending,
            6 => Role::Sends {
                fields: Fields {
                    nickname: payload & 1 != 0,
                    avatar: payload & 2 != 0,
                },
            },
            7 => Role::Part { note: payload },
            8 => Role::Completes { note: payload },
            kind => unreachable!("no role is of kind {kind}"),
        }
    }

    pub(super) fn note(&self, number: u32) -> &Note {
        &self.notes[number as usize]
    }

    pub(super) fn note_mut(&mut self, number: u32) -> &mut Note {
        &mut self.notes[number as usize]
    }

    /// The number of rows up to and including the last that has anything to be read for: one that
    /// is sent or reported.
    pub(super) fn n_rows_to_read(&self) -> u32 {
        let of_interest = |packed: &u32| packed >> 28 != UNCHANGED;
        self.packed
            .iter()
            .rposition(of_interest)
            .map_or(0, |last| last as u32 + 1)
    }
}

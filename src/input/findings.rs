//! What the first pass found, to be told: grouped by kind, with the first of each, so that a file
//! with a million findings costs no more memory than one with a thousand.

use std::collections::BTreeMap;

use super::lint::Level;
use super::rules::Column;
use crate::model::RowRef;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub at: RowRef,
    /// What was found and what fits, for a person; without personal data.
    pub message: String,
    /// The cell, safe to show. Personal data; empty unless it was asked for.
    pub found: String,
}

/// What a group of findings has in common; in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// How bad it is.
    pub level: Level,
    /// The stable word for it.
    pub code: &'static str,
    /// In which column, if in one.
    pub column: Option<Column>,
}

/// Findings of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Finding>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Findings {
    groups: BTreeMap<Kind, Group>,
    keep: usize,
    /// Whether cells are kept to be shown.
    pub shows_cells: bool,
}

impl Default for Findings {
    /// The first ten of each kind, without anybody's data.
    fn default() -> Self {
        Self {
            groups: BTreeMap::new(),
            keep: 10,
            shows_cells: false,
        }
    }
}

impl Findings {
    /// The first `keep` of each kind, with their cells.
    pub fn with_cells(keep: usize) -> Self {
        Self {
            keep,
            shows_cells: true,
            ..Self::default()
        }
    }

    /// Adds one; `finding` is only asked for when it is kept.
    pub fn add(&mut self, kind: Kind, finding: impl FnOnce() -> Finding) {
        let group = self.groups.entry(kind).or_default();
        group.count += 1;
        if group.first.len() < self.keep {
            group.first.push(finding());
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.groups.clear();
    }

    /// By kind, errors first.
    pub fn groups(&self) -> impl Iterator<Item = (&Kind, &Group)> {
        self.groups.iter()
    }

    /// How many of a level.
    pub fn count(&self, level: Level) -> u64 {
        let groups = self.groups.iter().filter(|(kind, _)| kind.level == level);
        groups.map(|(_, group)| group.count).sum()
    }

    /// Those that were kept, in the order of the files.
    pub fn in_order(&self) -> Vec<(&Kind, &Finding)> {
        let groups = self.groups.iter();
        let mut all: Vec<_> = groups
            .flat_map(|(kind, group)| group.first.iter().map(move |finding| (kind, finding)))
            .collect();
        all.sort_by_key(|(kind, finding)| (finding.at, **kind));
        all
    }
}

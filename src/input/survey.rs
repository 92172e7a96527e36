//! The first pass: checks every row and keeps, of each, a key for its user and one for each value
//! (24 bytes a row), sorted by user. What the rows of a user come to is then seen by walking over
//! neighbours.
//!
//! Only where a user stands in several rows is a second look at the text needed, to be sure that
//! it is one user and not two whose keys collide (rule T1). That look costs another reading of
//! the input and, while it lasts, the text of those users' ids.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use super::findings::{Finding, Findings, Kind};
use super::header::{HeaderError, Likeness};
use super::lint::id::Census;
use super::lint::shown::shown;
use super::lint::{Level, Lint};
use super::records::{Record, Records};
use super::rows::{Found, Reason, Row, mark};
use super::rules::Column;
use super::{InputError, Source};
use crate::keys::{Keys, ValueKey};
use crate::lang::Lang;
use crate::model::{Field, PerField, RowRef};

/// Rows are numbered in 28 bits.
pub const MAX_ROWS: u32 = 1 << 28;

/// What is kept of a row: 24 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The user's key; 0 where the row has no readable user id.
    pub user: u64,
    /// What the row sets; both not set where it is invalid.
    pub sets: PerField<ValueKey>,
    /// The row's number, from 0, over all files.
    pub row: u32,
}

impl Entry {
    /// Whether the row itself is wrong.
    pub fn is_invalid(&self) -> bool {
        !self.sets.nickname.is_set() && !self.sets.avatar.is_set()
    }
}

/// What the first pass found.
pub struct Survey {
    /// The files, in their order.
    pub sources: Vec<Source>,
    /// The number of each file's first row.
    pub first_rows: Vec<u32>,
    /// One for each row, sorted by user, then by row.
    pub entries: Vec<Entry>,
    /// Tells the line of a row.
    pub lines: Lines,
    /// Where the rows come from, when the input is a `failures.csv`.
    pub origins: Option<Origins>,
    /// What the keys of the entries were made with.
    pub keys: Keys,
    /// What is wrong with rows, and what is odd about them.
    pub findings: Findings,
    /// How many rows are invalid in which way, each counted once.
    pub invalid: BTreeMap<&'static str, u64>,
    /// Rows without any text, which are no rows.
    pub blank_rows: u64,
    /// Rows that are the header again, which are no rows either.
    pub repeated_headers: u64,
    /// Cells that clear their field.
    pub cleared: u64,
}

/// Which run wrote each row of a `failures.csv` (rule T5).
#[derive(Debug, Default)]
pub struct Origins {
    /// The runs, by their ids.
    pub runs: Vec<String>,
    /// For each of them its place, from 1.
    numbers: HashMap<String, u16>,
    of_row: Vec<u16>,
}

impl Origins {
    /// The index in [`Self::runs`] of the run that wrote `row`. `None` for a row that a person
    /// added.
    pub fn of(&self, row: u32) -> Option<usize> {
        usize::from(self.of_row[row as usize]).checked_sub(1)
    }

    fn push(&mut self, run: &str) {
        let number = match self.numbers.get(run) {
            _ if run.is_empty() => 0,
            Some(number) => *number,
            None => {
                self.runs.push(run.into());
                // A file that was fed back 65,535 times is not from this world.
                let number = u16::try_from(self.runs.len()).unwrap_or(u16::MAX);
                self.numbers.insert(run.into(), number);
                number
            }
        };
        self.of_row.push(number);
    }
}

/// The line of each row, kept only where it is not the line after the row before.
#[derive(Debug, Default)]
pub struct Lines {
    breaks: Vec<(u32, u64)>,
    next: (u32, u64),
}

impl Lines {
    fn push(&mut self, row: u32, line: u64) {
        if self.breaks.is_empty() || self.next != (row, line) {
            self.breaks.push((row, line));
        }
        self.next = (row + 1, line + 1);
    }

    /// The line on which a row begins, in its file.
    pub fn of(&self, row: u32) -> u64 {
        let after = self.breaks.partition_point(|(first, _)| *first <= row);
        let (first, line) = self.breaks[after - 1];
        line + u64::from(row - first)
    }
}

impl Survey {
    /// Reads all sources once. `stop` is looked at now and then.
    ///
    /// # Errors
    /// When a file can't be read or its records can't be told apart.
    pub fn take(sources: Vec<Source>, keys: Keys, stop: &AtomicBool) -> Result<Self, InputError> {
        let mut survey = Self::new(sources, keys, Findings::default())?;
        survey.read_all(stop)?;
        Ok(survey)
    }

    /// A survey that has read nothing yet.
    ///
    /// # Errors
    /// When these files don't go together.
    pub fn new(sources: Vec<Source>, keys: Keys, findings: Findings) -> Result<Self, InputError> {
        let fed_back = sources
            .iter()
            .find(|source| source.header.fed_back.is_some());
        if let (Some(source), true) = (fed_back, sources.len() > 1) {
            let name = source.name.clone();
            return Err(InputError::FedBackAmongOthers { name });
        }
        Ok(Self {
            origins: fed_back.map(|_| Origins::default()),
            first_rows: Vec::with_capacity(sources.len()),
            entries: Vec::new(),
            lines: Lines::default(),
            keys,
            findings,
            invalid: BTreeMap::new(),
            blank_rows: 0,
            repeated_headers: 0,
            cleared: 0,
            sources,
        })
    }

    /// Reads all; what it found until then stays when it fails.
    ///
    /// # Errors
    /// When a file can't be read, its records can't be told apart, or a user stands in several rows
    /// and may not.
    pub fn read_all(&mut self, stop: &AtomicBool) -> Result<(), InputError> {
        loop {
            let learned = self.read_once(stop)?;
            if !learned && !self.tell_users_apart(stop)? {
                break;
            }
        }
        let refuses = |source: &Source| source.rules.refuse_duplicates;
        if !self.sources.iter().any(refuses) {
            return Ok(());
        }
        match self.duplicates().min_by_key(|(_, second)| *second) {
            Some((first, second)) => {
                let at = self.at(second);
                let name = self.sources[usize::from(at.file)].name.clone();
                let first = self.name_of(first, at.file.into());
                let line = at.line;
                Err(InputError::Duplicate { name, line, first })
            }
            None => Ok(()),
        }
    }

    /// Reads all files from their beginnings. Returns whether something was learned about their
    /// ids by which they have to be read again.
    fn read_once(&mut self, stop: &AtomicBool) -> Result<bool, InputError> {
        self.first_rows.clear();
        self.entries.clear();
        self.origins = self.origins.take().map(|_| Origins::default());
        self.lines = Lines::default();
        self.findings.clear();
        self.invalid.clear();
        (self.blank_rows, self.repeated_headers, self.cleared) = (0, 0, 0);
        let mut learned = false;
        for file in 0..self.sources.len() {
            self.first_rows.push(self.next_row()?);
            let source = self.sources[file].clone();
            let census = self.read(file as u16, &source, stop)?;
            let habits = census.habits();
            learned |= habits != source.habits;
            self.sources[file].habits = habits;
        }
        self.sort();
        Ok(learned)
    }

    /// Neighbouring rows of one user.
    fn duplicates(&self) -> impl Iterator<Item = (u32, u32)> {
        let pairs = self.entries.windows(2);
        pairs
            .filter(|pair| pair[0].user == pair[1].user && pair[0].user != 0)
            .map(|pair| (pair[0].row, pair[1].row))
    }

    /// Rows read.
    pub fn n_rows(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Rows read, also when the entries are gone.
    pub fn n_rows_read(&self) -> u64 {
        self.lines.next.0.into()
    }

    /// Where a row stands.
    pub fn at(&self, row: u32) -> RowRef {
        RowRef {
            file: file_of(&self.first_rows, row),
            line: self.lines.of(row),
        }
    }

    /// A row's name in a message about a row of `file`.
    pub fn name_of(&self, row: u32, file: usize) -> String {
        let at = self.at(row);
        if usize::from(at.file) == file {
            self.lang().line(at.line)
        } else {
            let name = &self.sources[usize::from(at.file)].name;
            self.lang().line_of(at.line, name)
        }
    }

    /// In which language findings are told.
    pub fn lang(&self) -> Lang {
        let first = self.sources.first();
        first.map_or(Lang::default(), |source| source.rules.lang)
    }

    fn next_row(&self) -> Result<u32, InputError> {
        u32::try_from(self.entries.len())
            .ok()
            .filter(|row| *row < MAX_ROWS)
            .ok_or(InputError::TooManyRows)
    }

    fn read(
        &mut self,
        file: u16,
        source: &Source,
        stop: &AtomicBool,
    ) -> Result<Census, InputError> {
        let mut census = Census::default();
        let mut records = records_of(source)?;
        while let Some(record) = next(source, &mut records)? {
            if record.is_blank() {
                self.blank_rows += 1;
                continue;
            }
            match source.likeness(&record) {
                Likeness::Row => {}
                Likeness::Repeated => {
                    self.repeated_headers += 1;
                    continue;
                }
                Likeness::Another => {
                    return Err(InputError::Header {
                        name: source.name.clone(),
                        line: record.line,
                        error: HeaderError::Another,
                    });
                }
            }
            let number = self.next_row()?;
            if number.is_multiple_of(4096) && stop.load(Ordering::Relaxed) {
                return Err(InputError::Stopped);
            }
            let row = Row::counted(source, &record, Some((&mut census, number)));
            if let (Some(columns), Some(origins)) = (source.header.fed_back, &mut self.origins) {
                let run = record.cell(columns.run).unwrap_or_default();
                origins.push(String::from_utf8_lossy(run).trim());
            }
            if row.sets.is_err() || !row.hits.is_empty() {
                self.note(file, source, &record, &row);
            }
            if let (Some(_), Ok(sets)) = (&source.rules.clear_token, &row.sets) {
                let cleared = Field::ALL
                    .iter()
                    .filter(|field| sets[**field].as_deref() == Some(""));
                self.cleared += cleared.count() as u64;
            }
            self.lines.push(number, record.line);
            self.entries.push(entry(&self.keys, number, &row));
        }
        if source.has_grown() {
            let name = source.name.clone();
            return Err(InputError::Growing { name });
        }
        if source.rules.allowed.has(Lint::UnusualId) {
            return Ok(census);
        }
        let kind = Kind {
            level: Lint::UnusualId.level(Column::UserId),
            code: Lint::UnusualId.code(),
            column: Some(Column::UserId),
        };
        for outliers in census.outliers() {
            let line = self.lines.of(outliers.first);
            self.findings.add(kind, || Finding {
                at: RowRef { file, line },
                message: outliers.in_words(source.rules.lang),
                found: String::new(),
            });
        }
        if let Some(first) = census.are_names() {
            let line = self.lines.of(first);
            self.findings.add(kind, || Finding {
                at: RowRef { file, line },
                message: source.rules.lang.ids_are_names().into(),
                found: String::new(),
            });
        }
        Ok(census)
    }

    /// Keeps what is wrong with a row, and what is odd about it.
    fn note(&mut self, file: u16, source: &Source, record: &Record<'_>, row: &Row<'_>) {
        let at = RowRef {
            file,
            line: record.line,
        };
        let shows_cells = self.findings.shows_cells;
        let mut add = |level, reason: Reason| {
            let column = reason.column();
            let kind = Kind {
                level,
                code: reason.code(),
                column,
            };
            self.findings.add(kind, || {
                let cell = column.filter(|_| shows_cells);
                let cell = cell.and_then(|column| record.cell(source.header.place(column)?));
                Finding {
                    at,
                    message: reason.in_words(source.rules.lang),
                    found: shown(cell.unwrap_or_default()),
                }
            });
        };
        if let Err(reason) = row.sets {
            *self.invalid.entry(reason.code()).or_default() += 1;
            // The others are told below, this one among them.
            if !matches!(reason, Reason::Found(_)) {
                add(Level::Error, reason);
            }
        }
        for (lint, column, level) in row.hits.iter(source.rules.allowed) {
            let mark = mark(source, record, lint, column);
            add(level, Reason::Found(Found { lint, column, mark }));
        }
    }

    fn sort(&mut self) {
        self.entries
            .sort_unstable_by_key(|entry| (entry.user, entry.row));
    }

    /// Makes sure that neighbours with one key are one user. Returns whether some got another key,
    /// by which all have to be read again.
    fn tell_users_apart(&mut self, stop: &AtomicBool) -> Result<bool, InputError> {
        if self.duplicates().next().is_none() {
            return Ok(false);
        }
        let colliding = self.find_colliding(stop)?;
        for user in &colliding {
            self.keys.tell_apart(user);
        }
        Ok(!colliding.is_empty())
    }

    /// Users whose key belongs to another user of the input, too.
    fn find_colliding(&self, stop: &AtomicBool) -> Result<BTreeSet<Box<str>>, InputError> {
        let mut shared: HashMap<u64, Option<Box<str>>> = HashMap::new();
        for pair in self.entries.windows(2) {
            if pair[0].user == pair[1].user && pair[0].user != 0 {
                shared.insert(pair[0].user, None);
            }
        }
        let mut colliding = BTreeSet::new();
        let mut n_rows = 0_u32;
        for source in &self.sources {
            let mut records = records_of(source)?;
            while let Some(record) = next(source, &mut records)? {
                n_rows = n_rows.wrapping_add(1);
                if n_rows.is_multiple_of(4096) && stop.load(Ordering::Relaxed) {
                    return Err(InputError::Stopped);
                }
                let Some(user) = Row::read(source, &record).user else {
                    continue;
                };
                if source.skips(&record) {
                    continue;
                }
                match shared.get_mut(&self.keys.user(user).key) {
                    Some(Some(first)) if **first != *user => {
                        colliding.insert(Box::from(user));
                    }
                    Some(first @ None) => *first = Some(user.into()),
                    Some(Some(_)) | None => {}
                }
            }
        }
        Ok(colliding)
    }
}

/// What is kept of a row.
pub fn entry(keys: &Keys, number: u32, row: &Row<'_>) -> Entry {
    let user = row.user.map(|user| keys.user(user));
    let sets = match (user, &row.sets) {
        (Some(user), Ok(sets)) => PerField::from_fn(|field: Field| {
            sets[field]
                .as_deref()
                .map_or(ValueKey::NOT_SET, |text| keys.value(user, field, text))
        }),
        _ => PerField::default(),
    };
    Entry {
        user: user.map_or(0, |user| user.key),
        sets,
        row: number,
    }
}

/// The file of a row, by the numbers of the files' first rows.
pub fn file_of(first_rows: &[u32], row: u32) -> u16 {
    (first_rows.partition_point(|first| *first <= row) - 1) as u16
}

fn records_of(source: &Source) -> Result<Records, InputError> {
    source.rows().map_err(|error| InputError::Records {
        name: source.name.clone(),
        error,
    })
}

fn next<'r>(
    source: &Source,
    records: &'r mut Records,
) -> Result<Option<super::records::Record<'r>>, InputError> {
    records.next_record().map_err(|error| InputError::Records {
        name: source.name.clone(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn source(text: &str) -> Source {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let spool = std::env::temp_dir();
        Source::from_file("users.csv", file, &spool, &std::sync::Arc::default()).unwrap()
    }

    fn survey(keys: Keys, texts: &[&str]) -> Survey {
        let sources = texts.iter().map(|text| source(text)).collect();
        Survey::take(sources, keys, &AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn an_entry_is_24_bytes() {
        assert_eq!(size_of::<Entry>(), 24);
    }

    #[test]
    fn t1_users_that_hash_alike_are_compared_as_text() {
        let mut text = "UserId,Nickname\n".to_owned();
        for n in 0..40 {
            text += &format!("user{},name{n}\n", n % 20);
        }
        let survey = survey(Keys::colliding(2), &[&text]);
        let mut groups: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for entry in &survey.entries {
            groups.entry(entry.user).or_default().push(entry.row);
        }
        assert_eq!(groups.len(), 20, "one group for each user");
        for rows in groups.values() {
            assert_eq!(rows.len(), 2);
            assert_eq!(rows[0] + 20, rows[1]);
        }
    }

    #[test]
    fn t5_each_row_is_of_its_run_and_many_runs_take_no_longer() {
        let mut origins = Origins::default();
        let began = std::time::Instant::now();
        for row in 0..200_000 {
            origins.push(&format!("run-{}", row % 60_000));
        }
        origins.push("");
        // Looked for one by one, as they once were, these take minutes.
        assert!(began.elapsed().as_secs() < 20);
        assert_eq!(origins.runs.len(), 60_000);
        assert_eq!(origins.of(59_999), Some(59_999));
        assert_eq!(origins.of(60_007), Some(7));
        assert_eq!(origins.of(200_000), None);
    }

    #[test]
    fn a_file_that_somebody_is_still_writing_is_refused() {
        let source = source("UserId,Nickname\na,Ann\nb,B");
        let mut writer = &*source.file;
        writer.write_all(b"ob\n").unwrap();
        let stop = AtomicBool::new(false);
        let taken = Survey::take(vec![source], Keys::new([1; 16]), &stop);
        assert!(matches!(taken, Err(InputError::Growing { .. })));
    }

    #[test]
    fn rows_are_found_again_by_file_and_line() {
        let survey = survey(
            Keys::new([1; 16]),
            &[
                "UserId,Nickname\na,1\n\n\"b\",\"2\n2\"\nc,3\n",
                "Avatar,UserId\n,\nhttps://x/1.png,d\n",
            ],
        );
        assert_eq!(survey.blank_rows, 1);
        let at = |row| (survey.at(row).file, survey.at(row).line);
        assert_eq!(
            [at(0), at(1), at(2), at(3)],
            [(0, 2), (0, 4), (0, 6), (1, 3)]
        );
    }

    #[test]
    fn invalid_rows_are_counted_by_reason_with_their_lines() {
        let survey = survey(
            Keys::new([1; 16]),
            &["UserId,Nickname,Avatar\na,1\n,2,\nb,,\nc,3,\n"],
        );
        let found = survey.findings.in_order();
        let found: Vec<(u64, &str)> = found
            .iter()
            .map(|(kind, finding)| (finding.at.line, kind.code))
            .collect();
        assert_eq!(
            found,
            [
                (2, "wrong number of cells"),
                (3, "no UserId"),
                (4, "sets nothing")
            ]
        );
        assert_eq!(survey.entries.iter().filter(|e| e.is_invalid()).count(), 3);
    }
}

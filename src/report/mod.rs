//! What a run leaves behind for people and programs to read.
//!
//! Parts: [`results`] are the rows, [`excel`] copies them for a spreadsheet, [`tally`] counts what happens, [`summary`] is the file that
//! says how it ended, [`words`] says the same to a person, with the next command to type
//! ([`repeat`]).

pub mod excel;
pub mod repeat;
pub mod results;
pub mod summary;
pub mod tally;
pub mod words;

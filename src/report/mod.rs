//! What a run leaves behind for people and programs to read.
//!
//! Parts: [`results`] are the rows, [`excel`] copies them for a spreadsheet, [`tally`] counts what
//! happens and [`timeline`] when,
//! [`summary`] is the file that says how it ended, [`words`] says the same to a person, with the
//! next command to type ([`repeat`]), and [`page`] shows it all in a browser.

pub mod excel;
pub mod page;
pub mod repeat;
pub mod results;
pub mod summary;
pub mod tally;
pub mod timeline;
pub mod traces;
pub mod words;

//! Looks a setting up: as typed, else in the environment, else in the configuration file; and
//! keeps where it was found, so that a person can be told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::config_file::{ConfigError, ConfigFile, FILE_NAME, Kind};
use super::settings::{Environment, SettingsError};
use crate::lang::Lang;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was typed; the flag.
    Flag(String),
    /// From the environment; the variable.
    Variable(String),
    /// From the configuration file.
    File {
        /// The file; absolute.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Nobody said anything.
    Default,
}

impl Origin {
    /// The word for its kind, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Flag(_) => "flag",
            Self::Variable(_) => "environment",
            Self::File { .. } => "file",
            Self::Default => "default",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Where each value comes from, by the names of the flags without their dashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Where this flag's value comes from.
    pub fn of(&self, flag: &str) -> &Origin {
        self.0.get(flag).unwrap_or(&Origin::Default)
    }

    /// Whether nobody said anything.
    pub fn is_default(&self, flag: &str) -> bool {
        *self.of(flag) == Origin::Default
    }
}

/// A value as it was found.
pub(super) struct Found {
    flag: String,
    origin: Origin,
    /// `None` where the file has a value of another type.
    text: Option<OsString>,
    shown: String,
    /// Set for the file's values.
    kind: Option<Kind>,
}

impl Found {
    fn text(flag: &str, origin: Origin, text: OsString) -> Self {
        Self {
            flag: flag.to_owned(),
            origin,
            shown: text.to_string_lossy().into_owned(),
            text: Some(text),
            kind: None,
        }
    }

    /// The name under which a person knows where it stands.
    pub fn name(&self) -> String {
        match &self.origin {
            Origin::File { .. } => format!("{}: {}", self.origin, bare(&self.flag)),
            origin => origin.to_string(),
        }
    }

    fn unfit(&self, expected: &str) -> SettingsError {
        // Only of a wrong type is it good to know how the right one is written.
        let how = match (&self.text, self.kind) {
            (None, Some(kind)) => kind.how_written(),
            _ => "",
        };
        SettingsError::Value {
            name: self.name(),
            found: self.shown.clone(),
            expected: format!("{expected}{how}"),
        }
    }

    /// [`Self::read`] of a secret: the error does not say what was found.
    pub fn read_secret<T>(
        &self,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, SettingsError> {
        self.read(expected, read).map_err(|_| SettingsError::Value {
            name: self.name(),
            found: "…".into(),
            expected: expected.into(),
        })
    }

    /// The value, or an error that says what was `expected`.
    pub fn read<T>(
        &self,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, SettingsError> {
        let text = self.text.as_deref().and_then(OsStr::to_str);
        let value = text.map(str::trim).and_then(read);
        value.ok_or_else(|| self.unfit(expected))
    }

    /// A whole number.
    pub fn whole(&self, range: RangeInclusive<u64>) -> Result<u64, SettingsError> {
        let expected = if *range.end() == u64::MAX {
            format!("a whole number from {}", range.start())
        } else {
            format!("a whole number from {} to {}", range.start(), range.end())
        };
        let read = |text: &str| text.parse().ok().filter(|number| range.contains(number));
        self.read(&expected, read)
    }

    /// On or off.
    pub fn switch(&self) -> Result<bool, SettingsError> {
        let expected = match self.kind {
            Some(_) => "true or false",
            None => "1 or 0",
        };
        self.read(expected, |text| match text.to_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        })
    }
}

/// See the module.
pub(super) struct Look<'e> {
    environment: &'e dyn Environment,
    file: Option<ConfigFile>,
    origins: RefCell<Origins>,
}

impl<'e> Look<'e> {
    /// Reads the configuration file: the one `typed` as `--config`, else that of
    /// `LCIC_SYNC_CONFIG`, else `./lcic-sync.toml` where there is one.
    pub fn new(
        environment: &'e dyn Environment,
        typed: Option<&Path>,
    ) -> Result<Self, SettingsError> {
        let mut look = Self {
            environment,
            file: None,
            origins: RefCell::default(),
        };
        let read = |path: &Path| environment.config_text(path);
        let unreadable = |path: &Path, error| ConfigError::Unreadable {
            path: path.to_owned(),
            error,
        };
        let (path, text) = match look.path("--config", typed)? {
            Some(path) => {
                let text = read(&path).map_err(|error| unreadable(&path, error))?;
                (path, text)
            }
            // Without a current directory there is none in it.
            None => match environment.current_dir() {
                Err(_) => return Ok(look),
                Ok(directory) => {
                    let path = directory.join(FILE_NAME);
                    match read(&path) {
                        Ok(text) => (path, text),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(look),
                        Err(error) => return Err(unreadable(&path, error).into()),
                    }
                }
            },
        };
        look.file = Some(ConfigFile::parse(&path, &text)?);
        Ok(look)
    }

    pub fn environment(&self) -> &dyn Environment {
        self.environment
    }

    pub fn file(&self) -> Option<&ConfigFile> {
        self.file.as_ref()
    }

    pub fn into_origins(self) -> Origins {
        self.origins.into_inner()
    }

    /// Keeps where the value of `flag` was found.
    pub fn note(&self, flag: &str, found: &Found) {
        self.note_origin(flag, found.origin.clone());
    }

    /// Keeps where the value of `flag` comes from.
    pub fn note_origin(&self, flag: &str, origin: Origin) {
        let mut origins = self.origins.borrow_mut();
        origins.0.insert(bare(flag).to_owned(), origin);
    }

    /// The variable of a flag.
    pub fn variable(flag: &str) -> String {
        let name = bare(flag).replace('-', "_");
        format!("LCIC_SYNC_{}", name.to_uppercase())
    }

    /// What stands for the flag, nearest to the person first: typed, environment, file.
    pub fn layers(
        &self,
        flag: &str,
        typed: Option<impl AsRef<OsStr>>,
    ) -> Result<[Option<Found>; 3], SettingsError> {
        let typed = typed.map(|text| {
            let origin = Origin::Flag(flag.to_owned());
            Found::text(flag, origin, text.as_ref().to_owned())
        });
        if let Some(found) = &typed
            && found.shown.is_empty()
        {
            return Err(found.unfit("a value"));
        }
        Ok([typed, self.in_environment(flag), self.in_file(flag)])
    }

    fn in_environment(&self, flag: &str) -> Option<Found> {
        let name = Self::variable(flag);
        let text = self.environment.filled(&name)?;
        Some(Found::text(flag, Origin::Variable(name), text))
    }

    fn in_file(&self, flag: &str) -> Option<Found> {
        let file = self.file.as_ref()?;
        let entry = file.entries.get(bare(flag))?;
        Some(Found {
            flag: flag.to_owned(),
            origin: Origin::File {
                path: file.path.clone(),
                line: entry.line,
            },
            text: entry.text.as_ref().map(OsString::from),
            shown: entry.shown.clone(),
            kind: Some(entry.kind),
        })
    }

    /// The value of a flag, from the nearest layer that has one.
    pub fn value(
        &self,
        flag: &str,
        typed: Option<impl AsRef<OsStr>>,
    ) -> Result<Option<Found>, SettingsError> {
        let found = self.layers(flag, typed)?.into_iter().flatten().next();
        if let Some(found) = &found {
            self.note(flag, found);
        }
        Ok(found)
    }

    pub fn text(&self, flag: &str, typed: Option<&str>) -> Result<Option<String>, SettingsError> {
        let not_blank = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let found = self.value(flag, typed)?;
        found
            .map(|found| found.read("some text", not_blank))
            .transpose()
    }

    pub fn whole(
        &self,
        flag: &str,
        typed: Option<&str>,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, SettingsError> {
        let found = self.value(flag, typed)?;
        found.map(|found| found.whole(range)).transpose()
    }

    pub fn switch(&self, flag: &str, typed: bool) -> Result<bool, SettingsError> {
        let found = self.value(flag, typed.then_some("1"))?;
        found.map_or(Ok(false), |found| found.switch())
    }

    /// The language that people are told things in: as said, else by the locale.
    pub fn lang(&self, typed: Option<&str>) -> Result<Lang, SettingsError> {
        if let Some(found) = self.value("--lang", typed)? {
            return found.read("zh or en", Lang::from_name);
        }
        let Some((variable, lang)) = locale(self.environment) else {
            return Ok(Lang::default());
        };
        self.note_origin("--lang", Origin::Variable(variable.to_owned()));
        Ok(lang)
    }

    pub fn path(&self, flag: &str, typed: Option<&Path>) -> Result<Option<PathBuf>, SettingsError> {
        let Some(found) = self.value(flag, typed)? else {
            return Ok(None);
        };
        let path = match &found.text {
            Some(text) if !text.is_empty() => Path::new(text),
            _ => return Err(found.unfit("a path")),
        };
        match &found.origin {
            // A path in a file means the same wherever one stands.
            Origin::File { path: file, .. } => {
                let base = file.parent().unwrap_or(Path::new("/"));
                self.absolute(&base.join(path)).map(Some)
            }
            _ => self.absolute(path).map(Some),
        }
    }

    /// The path as seen from the current directory.
    pub fn absolute(&self, path: &Path) -> Result<PathBuf, SettingsError> {
        let path = if path.is_absolute() {
            path.to_owned()
        } else {
            let base = self.environment.current_dir();
            base.map_err(SettingsError::NoCurrentDirectory)?.join(path)
        };
        // Of an absolute path it takes out the superfluous parts.
        std::path::absolute(path).map_err(SettingsError::NoCurrentDirectory)
    }
}

/// The language of the locale, and the variable that says it: the first that is set, in the order
/// of POSIX. cron sets none.
pub fn locale(environment: &dyn Environment) -> Option<(&'static str, Lang)> {
    let variables = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter();
    variables
        .filter_map(|name| Some((name, environment.filled(name)?)))
        .map(|(name, locale)| (name, Lang::of_locale(&locale)))
        .next()
}

fn bare(flag: &str) -> &str {
    flag.trim_start_matches('-')
}

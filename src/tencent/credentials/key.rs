//! A key: SecretId, SecretKey and maybe a token, as one unit that never shows what it holds.

use std::fmt;

use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// A key with what belongs to it.
#[derive(Clone)]
pub struct Credentials {
    secret_id: String,
    secret_key: SecretString,
    token: Option<SecretString>,
}

impl Credentials {
    /// Takes a key as it is. Each part must be visible ASCII without blanks, since they travel in
    /// headers.
    pub fn new(secret_id: &str, secret_key: &str, token: Option<&str>) -> Result<Self, Flaw> {
        for part in [Some(secret_id), Some(secret_key), token]
            .into_iter()
            .flatten()
        {
            check(part)?;
        }
        Ok(Self::of_checked(secret_id, secret_key, token))
    }

    /// Takes texts that were checked one by one, each under its own name.
    pub(super) fn of_checked(secret_id: &str, secret_key: &str, token: Option<&str>) -> Self {
        Self {
            secret_id: secret_id.to_owned(),
            secret_key: SecretString::from(secret_key),
            token: token.map(SecretString::from),
        }
    }

    /// The id, for the `Authorization` header.
    pub fn secret_id(&self) -> &str {
        &self.secret_id
    }

    /// The key that signs.
    pub fn secret_key(&self) -> &SecretString {
        &self.secret_key
    }

    /// The token of a temporary key.
    pub fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// Whether the key ends by itself, so that its id says nothing about the account.
    pub fn is_temporary(&self) -> bool {
        self.token.is_some()
    }

    /// Enough of the SecretId to recognise it: `AKID…1a2b`.
    pub fn public_label(&self) -> String {
        let id = &self.secret_id;
        // Visible ASCII: a byte is a character.
        if id.len() < 16 {
            format!("…{}", &id[id.len().saturating_sub(2)..])
        } else {
            format!("{}…{}", &id[..4], &id[id.len() - 4..])
        }
    }

    /// A name for the SecretId that does not give it away: 16 hex characters of its SHA-256. The
    /// ledger keeps it, so it never changes.
    pub fn identity(&self) -> String {
        hex::encode(&Sha256::digest(self.secret_id.as_bytes())[..8])
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

/// What is wrong with a value. It follows the name of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// Blanks around it.
    #[error("begins or ends with a blank or a line break")]
    OuterBlank,
    /// Blanks in the middle: often a comment behind the value.
    #[error("has a blank inside (a comment belongs on a line of its own)")]
    InnerBlank,
    /// A character that no key has.
    #[error("has a character that is not visible ASCII")]
    OddCharacter,
    /// Nothing that STS takes for a session.
    #[error("is not a name of 2 to 128 letters, digits and _+=,.@-")]
    NotASession,
    /// Not the name of a file in a directory.
    #[error("is not the name of a profile (it has a slash, or is . or ..)")]
    NotAProfile,
}

/// Checks a text that is part of a key.
pub(super) fn check(value: &str) -> Result<(), Flaw> {
    if value.is_empty() {
        Err(Flaw::Empty)
    } else if value.trim().len() < value.len() {
        Err(Flaw::OuterBlank)
    } else if value.contains(char::is_whitespace) {
        Err(Flaw::InnerBlank)
    } else if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err(Flaw::OddCharacter)
    } else {
        Ok(())
    }
}

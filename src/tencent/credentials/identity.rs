//! Whose keys they are, as far as the keys say (rule T8).
//!
//! A ledger belongs to one account. Permanent keys are known by their SecretId, and the keys of a
//! role by the role, since each renewal brings another SecretId. Temporary keys that somebody else
//! fetched say nothing: there the person has to name the account.

/// What the keys say about whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A permanent key.
    Key {
        /// Stands for the SecretId without giving it away.
        fingerprint: String,
        /// Enough of the SecretId to recognise it.
        label: String,
    },
    /// Temporary keys of a role: its ARN, or `cvm-role:<name>` for the role of a machine.
    Role(String),
    /// Temporary keys that don't say whose they are.
    Unnamed,
}

impl Identity {
    /// What the ledger keeps, never changing for the same account; nothing for keys that don't
    /// say.
    pub fn pinned(&self) -> Option<String> {
        match self {
            Self::Key { fingerprint, .. } => Some(format!("key:{fingerprint}")),
            Self::Role(role) => Some(format!("role:{role}")),
            Self::Unnamed => None,
        }
    }

    /// How it is shown to a person.
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Key { label, .. } => Some(label),
            Self::Role(role) => Some(role),
            Self::Unnamed => None,
        }
    }
}

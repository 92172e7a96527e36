//! The table of users: what the simulated service holds, and how often each was written.

use std::collections::BTreeMap;

/// What the service holds of one user.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The name, if one was ever set. An empty text is one.
    pub nickname: Option<String>,
    /// The URL of the picture, if one was ever set. An empty text is one.
    pub avatar: Option<String>,
    /// How many writes were accepted.
    pub writes: u64,
}

impl std::fmt::Debug for Profile {
    /// Hides the texts, so that a failing test over real files gives nothing away.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile")
            .field("nickname", &self.nickname.as_ref().map(|_| "hidden"))
            .field("avatar", &self.avatar.as_ref().map(|_| "hidden"))
            .field("writes", &self.writes)
            .finish()
    }
}

/// Whom the service knows when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Table {
    /// Nobody; whoever is written first is created by that.
    #[default]
    Open,
    /// These ids, and nobody else ever: others are `ResourceNotFound.User`.
    Closed(Vec<String>),
}

/// The table itself.
pub(super) struct Users {
    known: BTreeMap<String, Profile>,
    closed: bool,
}

impl Users {
    pub(super) fn new(table: Table) -> Self {
        match table {
            Table::Open => Self {
                known: BTreeMap::new(),
                closed: false,
            },
            Table::Closed(ids) => Self {
                known: ids.into_iter().map(|id| (id, Profile::default())).collect(),
                closed: true,
            },
        }
    }

    /// Sets what is given and leaves the rest; false if the table is closed and does not know `id`.
    pub(super) fn write(
        &mut self,
        id: &str,
        nickname: Option<String>,
        avatar: Option<String>,
    ) -> bool {
        if !self.known.contains_key(id) {
            if self.closed {
                return false;
            }
            self.known.insert(id.to_owned(), Profile::default());
        }
        let profile = self.known.get_mut(id).expect("looked up or just inserted");
        if nickname.is_some() {
            profile.nickname = nickname;
        }
        if avatar.is_some() {
            profile.avatar = avatar;
        }
        profile.writes += 1;
        true
    }

    pub(super) fn get(&self, id: &str) -> Option<&Profile> {
        self.known.get(id)
    }

    pub(super) fn all(&self) -> &BTreeMap<String, Profile> {
        &self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_field_that_is_not_given_stays_and_an_empty_text_is_stored() {
        let mut users = Users::new(Table::Open);
        assert!(users.write("u1", text("Ann"), text("https://a/1.png")));
        assert!(users.write("u1", None, text("")));
        let profile = users.get("u1").unwrap();
        assert_eq!(profile.nickname, text("Ann"));
        assert_eq!(profile.avatar, text(""));
        assert_eq!(profile.writes, 2);
    }

    #[test]
    fn a_closed_table_takes_in_nobody() {
        let mut users = Users::new(Table::Closed(vec!["u1".into()]));
        assert!(users.write("u1", text("Ann"), None));
        assert!(!users.write("u2", text("Bob"), None));
        assert!(users.get("u2").is_none());
        assert_eq!(users.all().len(), 1);
    }
}

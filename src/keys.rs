//! Short keyed stand-ins for personal text: a 64-bit key for a user, 48 bits for a value of that
//! user. They let the survey hold a million rows in 24 bytes each, and let the plan compare a
//! file with the ledger in one sorted pass.
//!
//! SipHash-1-3 with the ledger's own random key (<https://www.aumasson.jp/siphash/siphash.pdf>):
//! stable across versions and machines, so that keys may be stored, and nobody who chooses a
//! nickname can aim at a collision. Two users whose keys are alike are told apart by their text
//! before anything folds (rule T1); see [`Keys::tell_apart`]. A value's stand-in also depends on
//! 64 more bits of its user's hash, so "unchanged" rests on 112 bits in all.

use std::collections::HashMap;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use siphasher::sip128::SipHasher13 as SipHasher13Wide;

use crate::model::Field;

/// The stand-in of a user. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserKey {
    /// What rows are sorted by, and where the ledger puts the user.
    pub key: u64,
    /// More bits of the same hash, for the stand-ins of the user's values.
    seed: u64,
}

/// The stand-in of a value of one user: 48 bits, never 0; 0 stands for "not set".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ValueKey([u8; 6]);

impl ValueKey {
    /// The field is not set.
    pub const NOT_SET: Self = Self([0; 6]);

    /// Whether the field is set.
    pub fn is_set(self) -> bool {
        self != Self::NOT_SET
    }
}

/// Makes stand-ins.
#[derive(Debug, Clone)]
pub struct Keys {
    secret: (u64, u64),
    /// Bits of a user's key that are used; fewer than 64 only where a test wants collisions.
    mask: u64,
    /// Users whose key was another user's already.
    told_apart: HashMap<Box<str>, u64>,
}

impl Keys {
    /// Stand-ins under the ledger's 128-bit key.
    pub fn new(secret: [u8; 16]) -> Self {
        let (low, high) = secret.split_at(8);
        let word = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("eight bytes"));
        Self {
            secret: (word(low), word(high)),
            mask: u64::MAX,
            told_apart: HashMap::new(),
        }
    }

    /// Stand-ins that collide often: `bits` bits for a user.
    #[cfg(test)]
    pub fn colliding(bits: u32) -> Self {
        Self {
            mask: (1 << bits) - 1,
            ..Self::new([7; 16])
        }
    }

    /// The stand-in of a user.
    pub fn user(&self, user: &str) -> UserKey {
        let hasher = SipHasher13Wide::new_with_keys(self.secret.0, self.secret.1);
        let hash = hasher.hash(user.as_bytes());
        let key = match self.told_apart.get(user) {
            Some(key) if !self.told_apart.is_empty() => *key,
            _ => (hash.h1 & self.mask).max(1),
        };
        UserKey { key, seed: hash.h2 }
    }

    /// The stand-in of `value` in `field` of `user`.
    pub fn value(&self, user: UserKey, field: Field, value: &str) -> ValueKey {
        let tag = field as u64 + 1;
        let hasher = SipHasher13::new_with_keys(self.secret.0 ^ user.seed, self.secret.1 ^ tag);
        let hash = hasher.hash(value.as_bytes()).to_le_bytes();
        let mut key: [u8; 6] = hash[..6].try_into().expect("six of eight bytes");
        if key == [0; 6] {
            key[0] = 1;
        }
        ValueKey(key)
    }

    /// Gives `user` another key, because its own turned out to be another user's too.
    pub fn tell_apart(&mut self, user: &str) {
        let mut hasher = SipHasher13::new_with_keys(self.secret.1, self.secret.0);
        hasher.write_usize(self.told_apart.len());
        hasher.write(user.as_bytes());
        // Beyond the mask, so that a test's narrow keys get somewhere.
        self.told_apart
            .insert(user.into(), hasher.finish() | (1 << 63));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_for_its_user_and_field_too() {
        let keys = Keys::new([3; 16]);
        let (one, two) = (keys.user("one"), keys.user("two"));
        let name = keys.value(one, Field::Nickname, "张伟");
        assert_eq!(name, keys.value(one, Field::Nickname, "张伟"));
        assert_ne!(name, keys.value(two, Field::Nickname, "张伟"));
        assert_ne!(name, keys.value(one, Field::Avatar, "张伟"));
        assert!(keys.value(one, Field::Nickname, "").is_set());
    }

    /// The ledger stores keys: they must stay what they are from version to version.
    #[test]
    fn keys_are_stable() {
        let keys = Keys::new([0; 16]);
        let user = keys.user("2kJJBH6G1dfBFUJqXLh0Mg3ELLk");
        assert_eq!(user.key, 562_127_200_841_900_722);
        let name = keys.value(user, Field::Nickname, "zhangsan");
        assert_eq!(name, ValueKey([255, 214, 29, 254, 71, 199]));
    }
}

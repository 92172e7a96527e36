//! What the engine holds, by mark.
//!
//! Marks are given one after the other and settle roughly in that order, so a queue finds each by
//! counting, without a search and without leaving the processor's cache. A settled change leaves a
//! gap of eight bytes until all before it are settled, too.

use std::collections::VecDeque;

use super::Mark;

#[derive(Debug)]
pub(super) struct ByMark<T> {
    first: Mark,
    slots: VecDeque<Option<Box<T>>>,
    n_held: usize,
}

impl<T> ByMark<T> {
    pub(super) fn new() -> Self {
        Self {
            first: 0,
            slots: VecDeque::new(),
            n_held: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.n_held
    }

    pub(super) fn is_empty(&self) -> bool {
        self.n_held == 0
    }

    /// The mark of what is held next.
    pub(super) fn next(&self) -> Mark {
        self.first + self.slots.len() as Mark
    }

    /// Holds one more; returns its mark.
    pub(super) fn push(&mut self, held: T) -> Mark {
        let mark = self.next();
        self.slots.push_back(Some(Box::new(held)));
        self.n_held += 1;
        mark
    }

    fn at(&self, mark: Mark) -> Option<usize> {
        usize::try_from(mark.checked_sub(self.first)?).ok()
    }

    pub(super) fn get(&self, mark: Mark) -> Option<&T> {
        self.slots.get(self.at(mark)?)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, mark: Mark) -> Option<&mut T> {
        let at = self.at(mark)?;
        self.slots.get_mut(at)?.as_deref_mut()
    }

    pub(super) fn remove(&mut self, mark: Mark) -> Option<T> {
        let at = self.at(mark)?;
        let held = self.slots.get_mut(at)?.take()?;
        self.n_held -= 1;
        while self.slots.front().is_some_and(Option::is_none) {
            self.slots.pop_front();
            self.first += 1;
        }
        Some(*held)
    }

    /// All, in the order of their marks.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Mark, &T)> {
        let slots = (self.first..).zip(&self.slots);
        slots.filter_map(|(mark, held)| Some((mark, held.as_deref()?)))
    }

    /// All, to be changed.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().flatten().map(|held| &mut **held)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever settles when, it is a map.
        #[test]
        fn it_holds_what_a_map_would(steps in prop::collection::vec(prop::option::of(0..40_u64), 0..200)) {
            let mut held = ByMark::new();
            let mut map = BTreeMap::new();
            let mut next = 0;
            for step in steps {
                match step {
                    None => {
                        prop_assert_eq!(held.push(next * 10), next);
                        map.insert(next, next * 10);
                        next += 1;
                    }
                    Some(mark) => prop_assert_eq!(held.remove(mark), map.remove(&mark)),
                }
                prop_assert_eq!(held.next(), next);
                prop_assert_eq!((held.len(), held.is_empty()), (map.len(), map.is_empty()));
                prop_assert!(held.iter().eq(map.iter().map(|(mark, value)| (*mark, value))));
                prop_assert!(held.values_mut().eq(map.values_mut()));
                for mark in 0..42 {
                    prop_assert_eq!(held.get(mark), map.get(&mark));
                    prop_assert_eq!(held.get_mut(mark), map.get_mut(&mark));
                }
                prop_assert!(map.is_empty() || held.slots[0].is_some(), "no gap in front");
            }
        }
    }
}

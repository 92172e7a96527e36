//! What is seen by who only looks, and what is taken back.

use super::*;
use crate::ledger::amend::{Earlier, Forgotten};
use crate::plan::COOLDOWN;

/// What `undo` says of a run, a line for each user.
fn undone(stage: &Stage, run: u32) -> BTreeMap<String, String> {
    let mut undone = BTreeMap::new();
    let mut tell = |user: &str, earlier: PerField<Earlier<'_>>| {
        let field = |field: Field| match earlier[field] {
            Earlier::NotConcerned => "-".to_owned(),
            Earlier::NotKnown => "?".to_owned(),
            Earlier::Held(value) => format!("{value:?}"),
        };
        let told = Field::ALL.map(field).join(" ");
        undone.insert(user.to_owned(), told);
    };
    stage.ledger.undo(run, &mut tell).unwrap();
    undone
}

fn undone_of(stage: &Stage, run: u32, user: &str) -> String {
    let told = undone(stage, run).remove(user);
    told.unwrap_or_else(|| "nothing".into())
}

#[test]
fn a_look_makes_nothing_and_finds_the_account() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.sqlite3");
    assert!(Ledger::look(&path).unwrap().is_none());
    assert!(!path.exists());

    let (mut ledger, _) = Ledger::open(&path).unwrap();
    let owners = || Ledger::look(&path).unwrap().unwrap().owners().unwrap();
    assert_eq!(owners(), []);
    ledger.pin(&account("one")).unwrap();
    // While the ledger is open, and afterwards.
    assert_eq!(owners()[0].account, account("one"));
    drop(ledger);
    assert_eq!(owners()[0].account, account("one"));

    std::fs::write(&path, "UserId,Nickname\n").unwrap();
    let error = Ledger::look(&path).unwrap_err();
    assert!(matches!(error, LedgerError::NotALedger { .. }), "{error}");
}

#[test]
fn who_looks_cannot_write() {
    let stage = Stage::new();
    let mut look = Ledger::look(&stage.path()).unwrap().unwrap();
    assert!(look.pin(&account("one")).is_err());
    assert!(
        look.forget("a", at(0))
            .is_ok_and(|told| told == Forgotten::NotKnown)
    );
    assert_eq!(stage.ledger.owners().unwrap(), []);
}

#[test]
fn t8_an_adopted_identity_is_as_good_as_the_first() {
    let mut stage = Stage::new();
    stage.ledger.pin(&account("one")).unwrap();
    stage.run(vec![applied(0, &named("a", "n"))], at(1));
    stage.ledger.pin(&account("two")).unwrap_err();
    assert!(stage.ledger.adopt(&account("two")).unwrap());
    assert!(!stage.ledger.adopt(&account("two")).unwrap(), "no news");
    for identity in ["one", "two"] {
        stage.ledger.pin(&account(identity)).unwrap();
    }
    let error = stage.ledger.pin(&account("three")).unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains(&account("two").shown()), "{shown}");
    assert!(shown.contains("lcic-sync ledger adopt"), "{shown}");
    let host = &account("one").host;
    assert_eq!(stage.ledger.account_at(host).unwrap(), Some(account("two")));
    stage.ledger.account_at("elsewhere").unwrap_err();
}

#[test]
fn what_is_under_way_is_seen_as_a_kill_would_leave_it() {
    let mut stage = Stage::new();
    stage.run(
        vec![applied(0, &change("held", Some("n"), Some("x")))],
        at(1),
    );
    stage.run(vec![unknown(0, &named("doubted", "n"))], at(2));
    stage.begin(4, &[]);
    let sent = [
        change("held", Some("m"), None),
        named("doubted", "m"),
        change("fresh", Some("m"), Some("y")),
        named("settled", "m"),
    ];
    let marks: Vec<(Mark, &Arc<Change>)> = (0..).zip(&sent).collect();
    stage.mark(&marks);
    stage.settle(vec![applied(3, &sent[3])], at(3));

    let look = Ledger::look(&stage.path()).unwrap().unwrap();
    let mut seen = BTreeMap::new();
    let without_times = |told: String| {
        let told = told.split(' ').map(|word| word.split('@').next().unwrap());
        told.collect::<Vec<_>>().join(" ")
    };
    look.scan(&mut |user| {
        seen.insert(user.user.to_owned(), without_times(shown(user)));
    })
    .unwrap();
    let (stats, record) = (look.stats().unwrap(), look.user("fresh").unwrap().unwrap());
    assert_eq!((stats.users, stats.in_doubt), (4, 3));
    assert_eq!(record.fields.avatar.doubt.as_deref(), Some("y"));
    assert_eq!(record.fields.avatar.doubt_run, Some(3));
    assert!(
        look.user("settled")
            .unwrap()
            .unwrap()
            .fields
            .nickname
            .doubt
            .is_none()
    );

    stage.kill();
    stage.recover(at(4));
    let after = stage.known().into_iter();
    let after: BTreeMap<_, _> = after
        .map(|(user, told)| (user, without_times(told)))
        .collect();
    assert_eq!(seen, after);
    assert!(seen["doubted"].contains("late"), "{seen:?}");
    assert_eq!(stage.ledger.stats().unwrap(), stats);
}

#[test]
fn an_undone_run_gives_back_what_was_held_before_it() {
    let mut stage = Stage::new();
    stage.run(
        vec![
            applied(0, &named("a", "Ann")),
            applied(1, &change("b", Some("Bob"), Some(""))),
        ],
        at(1),
    );
    let run = stage.run(
        vec![
            applied(0, &change("a", Some("Anne"), Some("x"))),
            applied(1, &change("b", None, Some("y"))),
            applied(2, &named("new", "New")),
            failed(3, &named("refused", "n")),
        ],
        at(2),
    );
    let expected = [("a", "\"Ann\" ?"), ("b", "- \"\""), ("new", "? -")];
    let expected = expected.map(|(user, told)| (user.to_owned(), told.to_owned()));
    assert_eq!(undone(&stage, run), BTreeMap::from(expected));
    // To undo the first run there is nothing left but what the second did not touch.
    assert_eq!(undone_of(&stage, 1, "a"), "nothing");
    assert_eq!(undone_of(&stage, 1, "b"), "? -");
}

#[test]
fn what_a_later_run_changed_again_is_left_to_it() {
    let mut stage = Stage::new();
    for (seconds, name) in [(1, "first"), (2, "second"), (3, "third")] {
        stage.run(vec![applied(0, &named("a", name))], at(seconds));
    }
    assert_eq!(undone_of(&stage, 2, "a"), "nothing");
    assert_eq!(undone_of(&stage, 3, "a"), "\"second\" -");
    // Also when nobody knows whether it arrived.
    stage.run(vec![unknown(0, &named("a", "fourth"))], at(4));
    assert_eq!(undone_of(&stage, 3, "a"), "nothing");
    assert_eq!(undone_of(&stage, 4, "a"), "\"third\" -");
}

#[test]
fn a_value_that_is_sent_once_more_is_still_its_first_runs() {
    for again in [applied, unknown] {
        let mut stage = Stage::new();
        stage.run(vec![applied(0, &named("a", "Ann"))], at(1));
        let run = stage.run(vec![applied(0, &named("a", "Anne"))], at(2));
        stage.run(vec![again(0, &named("a", "Anne"))], at(3));
        assert_eq!(undone_of(&stage, run, "a"), "\"Ann\" -");
        let record = stage.ledger.user("a").unwrap().unwrap().fields.nickname;
        assert_eq!(record.held_run, Some(run));
    }
}

#[test]
fn what_may_have_arrived_is_undone_too() {
    let mut stage = Stage::new();
    stage.run(vec![applied(0, &named("a", "Ann"))], at(1));
    let run = stage.run(
        vec![unknown(0, &change("a", Some("Anne"), Some("x")))],
        at(2),
    );
    assert_eq!(undone_of(&stage, run, "a"), "\"Ann\" ?");
    // The run that goes on with it is the one that changed it, from the same value.
    let next = stage.run(vec![applied(0, &named("a", "Anne"))], at(3));
    assert_eq!(undone_of(&stage, run, "a"), "- ?");
    assert_eq!(undone_of(&stage, next, "a"), "\"Ann\" -");
    // Of a third value nobody can say what it replaced.
    stage.run(vec![unknown(0, &named("a", "Anna"))], at(4));
    let last = stage.run(vec![applied(0, &named("a", "Annie"))], at(5));
    assert_eq!(undone_of(&stage, last, "a"), "? -");
}

#[test]
fn a_killed_run_is_undone_before_and_after_the_next_one_finds_it() {
    let mut stage = Stage::new();
    stage.run(vec![applied(0, &named("a", "Ann"))], at(1));
    let run = stage.begin(2, &[]);
    stage.mark(&[(0, &named("a", "Anne")), (1, &named("new", "New"))]);
    stage.kill();
    let expected = [("a", "\"Ann\" -"), ("new", "? -")];
    let expected = expected.map(|(user, told)| (user.to_owned(), told.to_owned()));
    assert_eq!(undone(&stage, run), BTreeMap::from(expected.clone()));
    stage.recover(at(2));
    assert_eq!(undone(&stage, run), BTreeMap::from(expected));
}

#[test]
fn a_forgotten_user_is_as_if_it_had_never_been() {
    let mut stage = Stage::new();
    stage.run(
        vec![applied(0, &named("a", "n")), unknown(1, &named("b", "n"))],
        at(1),
    );
    let soon = at(1) + COOLDOWN / 2;
    let forget = |stage: &mut Stage, user, now| stage.ledger.forget(user, now).unwrap();
    assert_eq!(forget(&mut stage, "a", soon), Forgotten::Done);
    assert_eq!(stage.of("a"), "nothing");
    assert_eq!(forget(&mut stage, "a", soon), Forgotten::NotKnown);
    // T3: another value must not be sent while the call may still arrive.
    assert_eq!(forget(&mut stage, "b", soon), Forgotten::TooEarly);
    assert!(stage.of("b").contains("Nickname?"));
    let later = at(1) + COOLDOWN + COOLDOWN / 60;
    assert_eq!(forget(&mut stage, "b", later), Forgotten::Done);
    assert_eq!(stage.of("b"), "nothing");
}

//! The example is another program that plans, applies and watches.

use crate::embed;

#[tokio::test]
async fn another_program_plans_applies_and_watches() {
    let dir = tempfile::tempdir().unwrap();
    let told = embed::run(dir.path()).await.unwrap();
    let plain = told.iter().map(|line| match line.split_once(" ms  ") {
        Some((_, told)) => told,
        None => line,
    });
    assert_eq!(
        plain.collect::<Vec<_>>(),
        [
            "the plan: 3 rows, 2 changes to send",
            "2 changes",
            "1 invalid",
            "a call was Accepted",
            "1 applied",
            "a call was Accepted",
            "1 applied",
            "run 1: 2 applied, 0 unchanged",
            "the plan: 3 rows, 0 changes to send",
            "0 changes",
            "1 invalid",
            "2 unchanged",
            "run 2: 0 applied, 2 unchanged",
        ]
    );
}

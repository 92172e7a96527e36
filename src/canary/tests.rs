use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::tencent::answer::{CallError, CallErrorKind, Reply};

/// A service that shows these, one after the other; the last for ever.
struct Shows(Mutex<VecDeque<Result<&'static str, CallErrorKind>>>);

impl Transport for Shows {
    async fn modify(&self, _: &UserId, _: &Values) -> Result<Reply, CallError> {
        unreachable!("reading changes nothing")
    }

    async fn describe(&self, _: &UserId) -> Result<Reply, CallError> {
        let mut shows = self.0.lock().unwrap();
        let next = match shows.len() {
            1 => *shows.front().unwrap(),
            _ => shows.pop_front().unwrap(),
        };
        let fields = next.map_err(|kind| CallError::new(kind, "seen"))?;
        let body = format!(r#"{{"Response":{{{fields},"RequestId":"r"}}}}"#);
        Ok(Reply::new(200, body))
    }
}

const RIGHT: &str = r#""Name":"n","Avatar":"other""#;
const OLD: &str = r#""Name":"old","Avatar":"n""#;
const NOBODY: &str = r#""Error":{"Code":"ResourceNotFound.User","Message":"m"}"#;
const DENIED: &str = r#""Error":{"Code":"AuthFailure.UnauthorizedOperation","Message":"m"}"#;

async fn reads(shows: &[Result<&'static str, CallErrorKind>]) -> Result<Vec<usize>, String> {
    let service = Arc::new(Shows(Mutex::new(shows.iter().copied().collect())));
    let given = Values {
        nickname: Some("n".into()),
        avatar: None,
    };
    let began = Instant::now();
    let found = read_back(service, vec![(UserId::new("u").unwrap(), given)]).await;
    assert!(began.elapsed() < Duration::from_secs(13));
    found.map_err(|fault| fault.code)
}

#[tokio::test(start_paused = true)]
async fn what_the_service_comes_to_show_in_time_holds() {
    assert_eq!(reads(&[Ok(RIGHT)]).await, Ok(vec![]));
    let no_answer = Err(CallErrorKind::NoAnswer);
    let late = [Ok(OLD), Ok(NOBODY), no_answer, Ok(RIGHT)];
    assert_eq!(reads(&late).await, Ok(vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_it_never_shows_is_disproved_and_what_cannot_be_read_is_not() {
    for shows in [OLD, NOBODY, r#""Avatar":"n""#, r#""Name":null"#] {
        assert_eq!(reads(&[Ok(shows)]).await, Ok(vec![0]), "{shows}");
    }
    let no_answer = Err(CallErrorKind::NoAnswer);
    assert_eq!(reads(&[Ok(OLD), no_answer]).await, Err("no answer".into()));
    let denied = "AuthFailure.UnauthorizedOperation";
    assert_eq!(reads(&[Ok(DENIED)]).await, Err(denied.into()));
}

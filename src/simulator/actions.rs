//! What the actions take, do and return (PROTOCOL §c.1, §c.2), once a call has passed every check.

use serde_json::{Map, Value, json};

use super::SDK_APP_ID;
use super::users::{Profile, Users};

/// The actions that are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Action {
    ModifyUserProfile,
    DescribeUser,
    DescribeSdkAppIdUsers,
}

impl Action {
    /// The one of this name, upper and lower case as the service has it.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "ModifyUserProfile" => Some(Self::ModifyUserProfile),
            "DescribeUser" => Some(Self::DescribeUser),
            "DescribeSdkAppIdUsers" => Some(Self::DescribeSdkAppIdUsers),
            _ => None,
        }
    }
}

/// An error as the envelope tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    fn no_such_user() -> Self {
        Self::new("ResourceNotFound.User", "The user does not exist.")
    }
}

/// Carries out `action`; returns what the answer holds besides the RequestId.
pub(super) fn carry_out(
    action: Action,
    body: Option<&Value>,
    users: &mut Users,
) -> Result<Map<String, Value>, Refusal> {
    let body = body.and_then(Value::as_object).ok_or_else(|| {
        Refusal::new(
            "InvalidParameter",
            "The body of the request is not a JSON object.",
        )
    })?;
    let parameters = Parameters(body);
    match action {
        Action::ModifyUserProfile => modify_user_profile(&parameters, users),
        Action::DescribeUser => describe_user(&parameters, users),
        Action::DescribeSdkAppIdUsers => describe_users(&parameters, users),
    }
}

fn modify_user_profile(
    parameters: &Parameters<'_>,
    users: &mut Users,
) -> Result<Map<String, Value>, Refusal> {
    parameters.need("UserId")?;
    let id = parameters.text("UserId")?.unwrap_or_default();
    let nickname = parameters.text("Nickname")?.map(str::to_owned);
    let avatar = parameters.text("Avatar")?.map(str::to_owned);
    parameters.only(&["UserId", "Nickname", "Avatar"])?;
    if id.is_empty() {
        return Err(wrong("UserId", "must not be empty"));
    }
    match users.write(id, nickname, avatar) {
        true => Ok(Map::new()),
        false => Err(Refusal::no_such_user()),
    }
}

fn describe_user(
    parameters: &Parameters<'_>,
    users: &Users,
) -> Result<Map<String, Value>, Refusal> {
    let by_id = parameters.text("UserId")?;
    let by_origin = parameters.text("OriginId")?;
    parameters.only(&["UserId", "OriginId"])?;
    // OriginId defaults to UserId when a user is registered, and UserId wins.
    let Some(id) = by_id.or(by_origin) else {
        return Err(missing("UserId"));
    };
    let profile = users.get(id).ok_or_else(Refusal::no_such_user)?;
    Ok(shown(id, profile))
}

fn describe_users(
    parameters: &Parameters<'_>,
    users: &Users,
) -> Result<Map<String, Value>, Refusal> {
    parameters.need("SdkAppId")?;
    let application = parameters.number("SdkAppId")?;
    let page = parameters.number("Page")?.unwrap_or(1);
    let limit = parameters.number("Limit")?.unwrap_or(20);
    parameters.only(&["SdkAppId", "Page", "Limit"])?;
    if application != Some(SDK_APP_ID) {
        return Err(Refusal::new(
            "InvalidParameter.SdkAppId",
            format!("The SdkAppId is wrong (the simulator's is {SDK_APP_ID})."),
        ));
    }
    if page == 0 {
        return Err(wrong("Page", "must be at least 1"));
    }
    if limit == 0 {
        return Err(wrong("Limit", "must be at least 1"));
    }
    let all = users.all();
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let page: Vec<_> = all
        .iter()
        .skip(size((page - 1).saturating_mul(limit)))
        .take(size(limit))
        .map(|(id, profile)| Value::Object(shown(id, profile)))
        .collect();
    Ok(object(json!({ "Total": all.len(), "Users": page })))
}

fn shown(id: &str, profile: &Profile) -> Map<String, Value> {
    object(json!({
        "SdkAppId": SDK_APP_ID,
        "UserId": id,
        "Name": profile.nickname.as_deref().unwrap_or_default(),
        "Avatar": profile.avatar.as_deref().unwrap_or_default(),
        "OriginId": id,
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => unreachable!("only called with an object written out above"),
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::new(
        "MissingParameter",
        format!("The request is missing a required parameter `{name}`."),
    )
}

fn wrong(name: &str, why: &str) -> Refusal {
    Refusal::new(
        "InvalidParameter",
        format!("The value of parameter `{name}` {why}."),
    )
}

/// The body's fields, read as strictly as may be: a `null` is a wrong type, not an absent value,
/// because what the service makes of it is not documented.
struct Parameters<'a>(&'a Map<String, Value>);

impl<'a> Parameters<'a> {
    fn need(&self, name: &str) -> Result<(), Refusal> {
        match self.0.contains_key(name) {
            true => Ok(()),
            false => Err(missing(name)),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let read = |value: &'a Value| value.as_str().ok_or_else(|| wrong(name, "is not a string"));
        self.0.get(name).map(read).transpose()
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let read = |value: &Value| {
            value
                .as_u64()
                .ok_or_else(|| wrong(name, "is not a whole number"))
        };
        self.0.get(name).map(read).transpose()
    }

    fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Refusal::new(
                "UnknownParameter",
                format!("The parameter `{name}` is not recognized."),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::users::Table;

    fn code(action: Action, body: Value, users: &mut Users) -> String {
        match carry_out(action, Some(&body), users) {
            Ok(_) => "ok".to_owned(),
            Err(refusal) => refusal.code,
        }
    }

    #[test]
    fn parameters_are_refused_for_what_is_wrong_with_them() {
        use Action::*;
        let table = [
            (ModifyUserProfile, json!({"UserId": "u"}), "ok"),
            (
                ModifyUserProfile,
                json!({"UserId": "u", "Nickname": ""}),
                "ok",
            ),
            (
                ModifyUserProfile,
                json!({"Nickname": "n"}),
                "MissingParameter",
            ),
            (ModifyUserProfile, json!({"UserId": ""}), "InvalidParameter"),
            (ModifyUserProfile, json!({"UserId": 1}), "InvalidParameter"),
            (
                ModifyUserProfile,
                json!({"UserId": "u", "Avatar": null}),
                "InvalidParameter",
            ),
            (
                ModifyUserProfile,
                json!({"UserId": "u", "Name": "n"}),
                "UnknownParameter",
            ),
            (ModifyUserProfile, json!([]), "InvalidParameter"),
            (DescribeUser, json!({}), "MissingParameter"),
            (DescribeUser, json!({"OriginId": "u"}), "ok"),
            (
                DescribeUser,
                json!({"UserId": "nobody", "OriginId": "u"}),
                "ResourceNotFound.User",
            ),
            (DescribeSdkAppIdUsers, json!({}), "MissingParameter"),
            (
                DescribeSdkAppIdUsers,
                json!({"SdkAppId": SDK_APP_ID.to_string()}),
                "InvalidParameter",
            ),
            (
                DescribeSdkAppIdUsers,
                json!({"SdkAppId": 1}),
                "InvalidParameter.SdkAppId",
            ),
            (
                DescribeSdkAppIdUsers,
                json!({"SdkAppId": SDK_APP_ID, "Page": 0}),
                "InvalidParameter",
            ),
        ];
        let mut users = Users::new(Table::Open);
        for (action, body, expected) in table {
            let shown = format!("{action:?} {body}");
            assert_eq!(code(action, body, &mut users), expected, "{shown}");
        }
    }

    #[test]
    fn a_refused_write_changes_nothing() {
        let mut users = Users::new(Table::Open);
        let body = json!({"UserId": "u", "Nickname": "n", "Surprise": 1});
        assert_eq!(
            code(Action::ModifyUserProfile, body, &mut users),
            "UnknownParameter"
        );
        assert!(users.all().is_empty());
    }

    #[test]
    fn pages_together_hold_every_user_once() {
        let ids: Vec<String> = (0..45).map(|n| format!("u{n:02}")).collect();
        let mut users = Users::new(Table::Closed(ids.clone()));
        let mut seen = Vec::new();
        for page in 1..=4 {
            let body = json!({"SdkAppId": SDK_APP_ID, "Page": page});
            let answer = carry_out(Action::DescribeSdkAppIdUsers, Some(&body), &mut users).unwrap();
            assert_eq!(answer["Total"], 45);
            let page = answer["Users"].as_array().unwrap();
            seen.extend(
                page.iter()
                    .map(|user| user["UserId"].as_str().unwrap().to_owned()),
            );
        }
        assert_eq!(seen, ids);
    }
}

//! What DescribeUser shows of a user (PROTOCOL §c.2). Under its own names: what is set as
//! `Nickname` is shown as `Name`.

use serde::Deserialize;

use super::answer::Reply;
use crate::model::Values;

/// The values that an accepted answer shows; nothing for what is missing or null.
pub fn profile(reply: &Reply) -> Values {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "PascalCase")]
    struct Shown {
        name: Option<String>,
        avatar: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Envelope {
        response: Shown,
    }
    let shown = serde_json::from_slice(&reply.body).map(|envelope: Envelope| envelope.response);
    let Shown { name, avatar } = shown.unwrap_or_default();
    Values {
        nickname: name.map(Into::into),
        avatar: avatar.map(Into::into),
    }
}

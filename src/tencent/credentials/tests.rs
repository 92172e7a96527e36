use std::collections::BTreeMap;
use std::fs;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::ini::read as from_ini;
use super::*;

const ID: &str = "AKIDabcdefghijklmnop1234";
const KEY: &str = "hush-hush-key";

#[test]
fn the_environment_comes_first() {
    let places = Places::new();
    places.write_home(&ini("AKIDhomehomehomehome", "home", ""));
    let found = places
        .find(&[(SECRET_ID, ID), (SECRET_KEY, KEY), (CREDENTIALS_FILE, "")])
        .unwrap();
    assert_eq!(found.provider.source(), Source::Environment);
    assert_eq!(told(&found), (ID, KEY, None));
    assert!(found.warnings.is_empty());
}

#[test]
fn then_the_file_that_the_environment_names_then_home_then_system() {
    let places = Places::new();
    let nothing = places.find(&[]).unwrap();
    assert_eq!(nothing.provider.source(), Source::CvmRole);
    assert_eq!(nothing.looked_at.unwrap().len(), 5);

    let system = places.write("system", &ini("AKIDsystem", "s", ""));
    assert_eq!(
        places.find(&[]).unwrap().provider.source(),
        Source::File(system)
    );

    let home = places.write_home(&ini("AKIDhome", "h", "token = t"));
    let found = places.find(&[]).unwrap();
    assert_eq!(found.provider.source(), Source::File(home));
    assert_eq!(told(&found), ("AKIDhome", "h", Some("t")));
    assert!(credentials(&found).is_temporary());

    let named = places.write("named", &ini("AKIDnamed", "n", ""));
    let variable = named.to_str().unwrap();
    let found = places.find(&[(CREDENTIALS_FILE, variable)]).unwrap();
    assert_eq!(found.provider.source(), Source::File(named.clone()));
    assert_eq!(told(&found), ("AKIDnamed", "n", None));
    assert!(!credentials(&found).is_temporary());
}

#[test]
fn a_place_that_is_there_but_wrong_is_not_skipped() {
    let places = Places::new();
    places.write("system", &ini("AKIDsystem", "s", ""));
    for (variables, expected) in [
        (
            &[(SECRET_ID, ID)][..],
            "TENCENTCLOUD_SECRET_ID is set, but TENCENTCLOUD_SECRET_KEY is not (or is empty)",
        ),
        (
            &[(SECRET_KEY, KEY), (SECRET_ID, "")],
            "TENCENTCLOUD_SECRET_KEY is set, but TENCENTCLOUD_SECRET_ID is not (or is empty)",
        ),
        (
            &[(SECRET_ID, ID), (SECRET_KEY, "hush ")],
            "the value of TENCENTCLOUD_SECRET_KEY begins or ends with a blank or a line break",
        ),
        (
            &[(SECRET_ID, "\tAKID"), (SECRET_KEY, KEY)],
            "the value of TENCENTCLOUD_SECRET_ID begins or ends with a blank or a line break",
        ),
        (
            &[(SECRET_ID, "AKID hush"), (SECRET_KEY, KEY)],
            "the value of TENCENTCLOUD_SECRET_ID has a blank inside (a comment belongs on a line of its own)",
        ),
        (
            &[(SECRET_ID, ID), (SECRET_KEY, "hushｈush")],
            "the value of TENCENTCLOUD_SECRET_KEY has a character that is not visible ASCII",
        ),
        (
            &[(SECRET_ID, ID), (SECRET_KEY, KEY), (TOKEN, "hush\n")],
            "the value of TENCENTCLOUD_TOKEN begins or ends with a blank or a line break",
        ),
        (
            &[
                (SECRET_ID, ID),
                (SECRET_KEY, KEY),
                (TOKEN, "hush1"),
                (SESSION_TOKEN, "hush2"),
            ],
            "TENCENTCLOUD_TOKEN and TENCENTCLOUD_SESSION_TOKEN are both set and differ: unset one of them",
        ),
        (
            &[(CREDENTIALS_FILE, "")],
            "TENCENTCLOUD_CREDENTIALS_FILE is set, but empty",
        ),
    ] {
        let error = places.find(variables).unwrap_err();
        assert_eq!(error.to_string(), expected);
        hides(&format!("{error} {error:?}"));
    }
    let missing = places.directory.path().join("missing");
    let error = places
        .find(&[(CREDENTIALS_FILE, missing.to_str().unwrap())])
        .unwrap_err();
    assert!(error.to_string().contains("missing: "), "{error}");
    // A directory in the file's place.
    fs::create_dir_all(places.home().join(".tencentcloud/credentials")).unwrap();
    let error = places.find(&[]).unwrap_err();
    assert!(
        matches!(error, CredentialsError::Unreadable { .. }),
        "{error}"
    );
}

#[test]
fn either_name_of_the_token_is_taken() {
    let places = Places::new();
    for tokens in [
        &[(TOKEN, "t")][..],
        &[(SESSION_TOKEN, "t")],
        &[(TOKEN, "t"), (SESSION_TOKEN, "t")],
        &[(TOKEN, ""), (SESSION_TOKEN, "t")],
    ] {
        let mut variables = vec![(SECRET_ID, ID), (SECRET_KEY, KEY)];
        variables.extend(tokens);
        assert_eq!(
            told(&places.find(&variables).unwrap()),
            (ID, KEY, Some("t"))
        );
    }
}

#[test]
fn a_token_of_the_environment_never_joins_a_key_of_a_file() {
    let places = Places::new();
    places.write("system", &ini("AKIDsystem", "s", ""));
    let found = places
        .find(&[(TOKEN, "hush"), (SECRET_ID, ""), (SECRET_KEY, "")])
        .unwrap();
    assert_eq!(told(&found), ("AKIDsystem", "s", None));
    assert_eq!(
        found.warnings[..3],
        [
            "TENCENTCLOUD_SECRET_ID is set, but empty: not used",
            "TENCENTCLOUD_SECRET_KEY is set, but empty: not used",
            "TENCENTCLOUD_TOKEN is set without TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY: not used",
        ]
    );
}

#[test]
fn files_are_read_as_people_write_them() {
    for text in [
        "[default]\nsecret_id=ID\nsecret_key=KEY\n",
        "\u{FEFF}[default]\r\nsecret_id = ID\r\nsecret_key = KEY\r\n",
        "; old\n# new\n\n [ default ] \n\tSecret_ID\t=\tID \nSECRET_KEY = \"KEY\"\ntoken =\n",
        "stray = 1\n[other]\nnonsense\nsecret_id = x\n[default]\nsecret_id: ID\nsecret_key: ' KEY '\nrole_arn = r\n[more]\nsecret_key = y",
        "[default]\nsecret_id = 'ID'\n[x]\n[default]\nsecret_key = KEY",
    ] {
        let credentials = from_ini(text).expect(text);
        assert_eq!(credentials.secret_id(), "ID", "{text}");
        assert_eq!(credentials.secret_key().expose_secret(), "KEY", "{text}");
        assert!(credentials.token().is_none(), "{text}");
    }
    // Only one pair, only if both match, and an equals sign may be part of a value.
    let odd = from_ini("[default]\nsecret_id=\"'a'\"\nsecret_key=\"b'\ntoken=c==").unwrap();
    assert_eq!(odd.secret_id(), "'a'");
    assert_eq!(odd.secret_key().expose_secret(), "\"b'");
    assert_eq!(odd.token().unwrap().expose_secret(), "c==");
}

#[test]
fn errors_in_a_file_name_line_and_section_and_no_value() {
    for (text, expected) in [
        ("", "has no section [default]"),
        ("secret_id = hush\n", "has no section [default]"),
        ("[Default]\nsecret_id = hush\n", "has no section [default]"),
        (
            "\n[default]\n",
            "section [default] (line 2) has no secret_id",
        ),
        (
            "[default]\nsecret_id = hush\n",
            "section [default] (line 1) has no secret_key",
        ),
        (
            "[default]\nsecret_id hush\n",
            "line 2 in section [default] is not of the form key = value",
        ),
        (
            "[default]\nsecret_id=\nsecret_key=hush",
            "line 2 in section [default]: the value of secret_id is empty",
        ),
        (
            "[default]\nsecret_id=''\nsecret_key=hush",
            "line 2 in section [default]: the value of secret_id is empty",
        ),
        (
            "[default]\nsecret_id=hush\nsecret_key=hush ; mine",
            "line 3 in section [default]: the value of secret_key has a blank inside (a comment belongs on a line of its own)",
        ),
        (
            "[default]\nsecret_id=hush“\nsecret_key=hush",
            "line 2 in section [default]: the value of secret_id has a character that is not visible ASCII",
        ),
        (
            "[default]\nsecret_id=hush\nSecret_Id=hush",
            "line 3 in section [default]: secret_id stands on line 2 already",
        ),
        (
            "[default]\nsecret_id=hush\nsecret_key=hush\ntoken=hush hush",
            "line 4 in section [default]: the value of token has a blank inside (a comment belongs on a line of its own)",
        ),
    ] {
        let flaw = from_ini(text).unwrap_err();
        assert_eq!(flaw.to_string(), expected);
        hides(&format!("{flaw} {flaw:?}"));
    }
    let places = Places::new();
    let path = places.write("system", "[default]\nsecret_id hush");
    let error = places.find(&[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: line 2 in section [default] is not of the form key = value",
            path.display()
        )
    );
    fs::write(&path, b"[default]\nsecret_id=\xff").unwrap();
    let error = places.find(&[]).unwrap_err();
    assert!(error.to_string().ends_with("is not UTF-8 text"), "{error}");
    fs::write(&path, vec![b'\n'; 70_000]).unwrap();
    let error = places.find(&[]).unwrap_err();
    assert!(error.to_string().contains("larger than 64 KB"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let places = Places::new();
    let path = places.write("system", &ini(ID, KEY, ""));
    for (mode, warned) in [(0o600, false), (0o400, false), (0o644, true), (0o640, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = places.find(&[]).unwrap().warnings;
        assert_eq!(!warnings.is_empty(), warned, "{mode:o}: {warnings:?}");
    }
}

#[test]
fn labels_and_identities_don_t_give_the_id_away() {
    let of = |id: &str| Credentials::new(id, KEY, None).unwrap();
    assert_eq!(of(ID).public_label(), "AKID…1234");
    assert_eq!(of("AKID567890123456").public_label(), "AKID…3456");
    assert_eq!(of("AKID56789012345").public_label(), "…45");
    assert_eq!(of("x").public_label(), "…x");
    // SHA-256 of "abc", FIPS 180-2 appendix B.1.
    assert_eq!(of("abc").identity(), "ba7816bf8f01cfea");
}

#[test]
fn debug_shows_nothing() {
    let credentials = Credentials::new(ID, KEY, Some("hush-token")).unwrap();
    let found = Found::fixed(credentials, Source::Environment);
    let shown = format!("{found:?}");
    hides(&shown);
    assert!(!shown.contains("AKID"), "{shown}");
}

#[test]
fn a_key_that_can_not_travel_in_a_header_is_not_taken() {
    assert_eq!(Credentials::new("", KEY, None).unwrap_err(), Flaw::Empty);
    assert_eq!(
        Credentials::new(ID, KEY, Some("a\u{7f}")).unwrap_err(),
        Flaw::OddCharacter
    );
}

#[test]
fn after_the_files_come_tccli_then_the_pod_then_the_machine() {
    let places = Places::new();
    let tke = [
        ("TKE_ROLE_ARN", "arn"),
        ("TKE_PROVIDER_ID", "p"),
        ("TKE_REGION", "r"),
        ("TKE_WEB_IDENTITY_TOKEN_FILE", "/t"),
    ];
    let source = |variables: &[(&str, &str)]| places.find(variables).unwrap().provider.source();
    assert_eq!(source(&[]), Source::CvmRole);
    assert_eq!(
        source(&[("TKE_REGION", "r"), ("TKE_ROLE_ARN", "")]),
        Source::CvmRole
    );
    assert_eq!(source(&tke), Source::TkeOidc);
    // What `tccli configure set region` leaves is no key.
    for empty in ["{}", r#"{"secretId":"","secretKey":"","token":""}"#] {
        places.write_tccli("default", empty);
        assert_eq!(source(&tke), Source::TkeOidc, "{empty}");
    }
    let path = places.write_tccli("default", PROFILE);
    let profile = |profile: &str, path| Source::Tccli {
        profile: profile.into(),
        path,
    };
    assert_eq!(source(&tke), profile("default", path));
    let other = places.write_tccli("other", &PROFILE.replace("AKIDprofile", "AKIDother"));
    assert_eq!(
        source(&[("TCCLI_PROFILE", "other")]),
        profile("other", other)
    );
    let system = places.write("system", &ini("AKIDsystem", "s", ""));
    assert_eq!(source(&tke), Source::File(system.clone()));
    let found = places.find(&[("TCCLI_PROFILE", "other")]).unwrap();
    let warning = format!(
        "TCCLI_PROFILE is set, but the keys come from {}: not used",
        system.display()
    );
    assert!(found.warnings.contains(&warning), "{:?}", found.warnings);
}

#[test]
fn profiles_of_tccli_say_what_they_are() {
    let places = Places::new();
    let arn = "qcs::cam::uin/7:roleName/sync";
    let of_tccli = |text: &str, variables: &[(&str, &str)]| {
        places.write_tccli("default", text);
        places.find(variables).unwrap().provider
    };
    let plain = of_tccli(PROFILE, &[]);
    let key = plain.fixed_key().unwrap();
    assert_eq!(
        (key.secret_id(), key.is_temporary()),
        ("AKIDprofile", false)
    );
    assert!(!plain.is_renewable());
    assert_eq!(plain.role(), None);

    let typed = PROFILE.replace('{', r#"{"type":"default","#);
    assert!(!of_tccli(&typed, &[]).is_renewable());
    let assuming = PROFILE.replace(
        '{',
        &format!(r#"{{"role-arn":"{arn}","role-session-name":"me","#),
    );
    let provider = of_tccli(&assuming, &[]);
    let role = provider.role().unwrap();
    assert_eq!((role.arn.as_str(), role.session.as_str()), (arn, "me"));
    // The environment's role comes before the profile's.
    let other = of_tccli(&assuming, &[("TENCENTCLOUD_ROLE_ARN", "other")]);
    assert_eq!(other.role().unwrap().arn, "other");

    let machine = of_tccli(&format!(r#"{{"type":"cvm-role","role-arn":"{arn}"}}"#), &[]);
    assert!(matches!(machine.source(), Source::Tccli { .. }));
    assert!(machine.is_renewable() && machine.role().is_none());
    // It was asked for, so that it does not answer is not "no credentials found".
    assert!(places.find(&[]).unwrap().looked_at.is_none());

    let temporary = Credentials::new("AKIDt", "k", Some("t")).unwrap();
    let sso = of_tccli(
        &login("sso", r#"{"uin":7,"roleConfigurationName":"ops"}"#),
        &[],
    );
    assert_eq!(
        sso.identity(&temporary),
        Identity::Role("qcs::cam::uin/7:roleName/TencentCloudSSO-ops".into())
    );
    let oauth = of_tccli(&login("oauth", r#"{"openId":"hush"}"#), &[]);
    assert_eq!(oauth.identity(&temporary), Identity::Unnamed);
    hides(&format!("{sso:?} {oauth:?}"));
}

#[test]
fn a_profile_that_is_there_but_wrong_is_not_skipped() {
    let places = Places::new();
    places.write_home("");
    fs::remove_file(places.home().join(".tencentcloud/credentials")).unwrap();
    for (text, expected) in [
        ("hush", "is not a JSON object (line 1)"),
        ("{\n\"secretId\": hush }", "is not a JSON object (line 2)"),
        ("[]", "is not a JSON object (line 1)"),
        (
            r#"{"type":"hush","secretId":"a"}"#,
            "has a type that is none of default, cvm-role, oauth and sso",
        ),
        (
            r#"{"secretId":"hush"}"#,
            "has no secretKey\nhint: tccli configure, or tccli auth login",
        ),
        (
            r#"{"secretId":"hush hush"}"#,
            "the value of secretId has a blank inside (a comment belongs on a line of its own)",
        ),
        (
            r#"{"secretId":["hush"]}"#,
            "the value of secretId is not of the expected kind",
        ),
        (
            r#"{"type":"sso","secretId":"hush","secretKey":"hush","expiresAt":1}"#,
            "has no sso.uin or sso.roleConfigurationName\nhint: tccli configure, or tccli auth login",
        ),
        (
            r#"{"type":"oauth","secretId":"hush","secretKey":"hush"}"#,
            "has no expiresAt\nhint: tccli configure, or tccli auth login",
        ),
        (
            r#"{"type":"oauth","secretId":"hush","secretKey":"hush","expiresAt":"hush"}"#,
            "the value of expiresAt is not of the expected kind",
        ),
        (
            r#"{"secretId":"a","secretKey":"b","role-arn":"c","role-session-name":"x"}"#,
            "the value of role-session-name is not a name of 2 to 128 letters, digits and _+=,.@-",
        ),
    ] {
        let path = places.write_tccli("default", text);
        let error = places.find(&[]).expect_err(text);
        assert_eq!(error.to_string(), format!("{}: {expected}", path.display()));
        hides(&format!("{error} {error:?}"));
    }
    for (variables, expected) in [
        (
            &[("TCCLI_PROFILE", "missing")][..],
            "missing.credential: there is no such profile of tccli",
        ),
        (
            &[("TCCLI_PROFILE", "../hush")],
            "the value of TCCLI_PROFILE is not the name of a profile",
        ),
        (
            &[
                ("TKE_ROLE_ARN", "a"),
                ("TKE_PROVIDER_ID", "b"),
                ("TKE_REGION", "c"),
            ],
            "TKE_ROLE_ARN is set, but TKE_WEB_IDENTITY_TOKEN_FILE is not (or is empty)",
        ),
        (
            &[("TKE_PROVIDER_ID", "b")],
            "TKE_PROVIDER_ID is set, but TKE_ROLE_ARN is not (or is empty)",
        ),
        (
            &[
                ("TENCENTCLOUD_ROLE_ARN", "a "),
                ("TENCENTCLOUD_SECRET_ID", "a"),
            ],
            "the value of TENCENTCLOUD_ROLE_ARN begins or ends",
        ),
        (
            &[
                ("TENCENTCLOUD_ROLE_ARN", "a"),
                ("TENCENTCLOUD_ROLE_SESSION_NAME", "hush/hush"),
            ],
            "the value of TENCENTCLOUD_ROLE_SESSION_NAME is not a name of 2 to 128",
        ),
    ] {
        fs::write(places.home().join(".tccli/default.credential"), "{}").unwrap();
        let error = places.find(variables).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
        hides(&error.to_string());
    }
    let found = places
        .find(&[("TENCENTCLOUD_ROLE_SESSION_NAME", "night")])
        .unwrap();
    let warning = "TENCENTCLOUD_ROLE_SESSION_NAME is set without TENCENTCLOUD_ROLE_ARN: not used";
    assert_eq!(found.warnings, [warning]);
}

#[cfg(unix)]
#[test]
fn a_profile_that_others_can_read_is_told_unless_its_directory_keeps_them_out() {
    use std::os::unix::fs::PermissionsExt as _;
    let places = Places::new();
    let path = places.write_tccli("default", PROFILE);
    let directory = path.parent().unwrap();
    for (mode, of_directory, warned) in [
        (0o644, 0o755, true),
        (0o644, 0o700, false),
        (0o600, 0o755, false),
    ] {
        let set = |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(&*path, mode);
        set(directory, of_directory);
        let warnings = places.find(&[]).unwrap().warnings;
        assert_eq!(!warnings.is_empty(), warned, "{mode:o} {of_directory:o}");
    }
}

const PROFILE: &str = r#"{"secretId":"AKIDprofile","secretKey":"hush","token":null}"#;

fn login(kind: &str, more: &str) -> String {
    format!(
        r#"{{"type":"{kind}","secretId":"AKIDhush","secretKey":"hush","token":"hush","expiresAt":1760000000,"{kind}":{more}}}"#
    )
}

struct Places {
    directory: TempDir,
}

impl Places {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        Self { directory }
    }

    fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn write_home(&self, text: &str) -> PathBuf {
        self.write("home/.tencentcloud/credentials", text)
    }

    fn write_tccli(&self, profile: &str, text: &str) -> PathBuf {
        self.write(&format!("home/.tccli/{profile}.credential"), text)
    }

    fn find(&self, variables: &[(&str, &str)]) -> Result<Found, CredentialsError> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        find_in(
            &|name| variables.get(name).map(OsString::from),
            Some(&self.home()),
            &self.directory.path().join("system"),
        )
    }
}

fn ini(id: &str, key: &str, more: &str) -> String {
    format!("[default]\nsecret_id = {id}\nsecret_key = {key}\n{more}\n")
}

fn credentials(found: &Found) -> &Credentials {
    found.provider.fixed_key().expect("a key as it is")
}

fn told(found: &Found) -> (&str, &str, Option<&str>) {
    let credentials = credentials(found);
    (
        credentials.secret_id(),
        credentials.secret_key().expose_secret(),
        credentials.token().map(ExposeSecret::expose_secret),
    )
}

fn hides(shown: &str) {
    assert!(!shown.contains("hush"), "{shown}");
}

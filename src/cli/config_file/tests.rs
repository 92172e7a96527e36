use super::*;

fn parse(text: &str) -> Result<ConfigFile, String> {
    ConfigFile::parse(Path::new("/c.toml"), text).map_err(|error| error.to_string())
}

#[test]
fn an_unknown_name_is_an_error_with_its_line_and_the_nearest_one() {
    let table = [
        (
            "rate = 1\nmax_outage = \"2h\"",
            2,
            "max_outage",
            "did you mean max-outage?",
        ),
        ("Rate = 1", 1, "Rate", "did you mean rate?"),
        (
            "\n\nconcurency = 1",
            3,
            "concurency",
            "did you mean concurrency?",
        ),
        (
            "elephants = 1",
            1,
            "elephants",
            "the names are those of the flags of lcic-sync apply, see its --help",
        ),
        (
            "config = \"b.toml\"",
            1,
            "config",
            "one file is read, and it can't name another",
        ),
        (
            "[apply]\nrate = 1",
            1,
            "apply",
            "names stand for themselves here, not under a [heading]",
        ),
        // The first of several.
        (
            "b1 = 1\na1 = 1",
            1,
            "b1",
            "the names are those of the flags of lcic-sync apply, see its --help",
        ),
    ];
    for (text, line, key, hint) in table {
        let expected = format!("/c.toml:{line}: unknown key {key:?}\nhint: {hint}");
        assert_eq!(parse(text).unwrap_err(), expected);
    }
}

#[test]
fn a_secret_is_refused_by_name_at_any_depth_and_never_told() {
    for (text, key, line) in [
        ("secret-id = \"hush\"", "secret-id", 1),
        ("rate = 1\nsecret_key = \"hush\"", "secret_key", 2),
        ("token = \"hush\"", "token", 1),
        (
            "TENCENTCLOUD_SECRET_KEY = \"hush\"",
            "TENCENTCLOUD_SECRET_KEY",
            1,
        ),
        ("Password = \"hush\"", "Password", 1),
        ("api-key = \"hush\"", "api-key", 1),
        ("\n[default]\nsecretKey = \"hush\"", "secretKey", 3),
        ("a = [{ sessionToken = \"hush\" }]", "sessionToken", 1),
        ("credentials.id = \"hush\"", "credentials", 1),
    ] {
        let error = parse(text).unwrap_err();
        let expected =
            format!("/c.toml:{line}: {key:?} looks like a secret, and this file must never");
        assert!(error.starts_with(&expected), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
}

#[test]
fn no_flag_of_apply_looks_like_a_secret() {
    for name in kinds().keys() {
        assert!(!looks_secret(name), "{name}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_line_and_without_its_text() {
    for (text, line) in [
        ("rate = 1\nlimit = = 2", 2),
        ("rate 15", 1),
        ("rate = 1\nrate = 2", 2),
        ("\n\naccount = \"open", 3),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with(&format!("/c.toml:{line}: ")), "{error}");
        assert!(!error.contains('\n') && error.len() > 12, "{error}");
    }
    let error = parse("account = \"hush\" \"hush\"").unwrap_err();
    assert!(!error.contains("hush"), "{error}");
}

#[test]
fn an_empty_file_sets_nothing() {
    for text in ["", "\u{FEFF}", "# nothing\r\n"] {
        assert!(parse(text).unwrap().entries.is_empty());
    }
}

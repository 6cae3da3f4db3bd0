//! `relay check-target` as an operator runs it. No name is asked for that is not given.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};

fn check(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_relay"))
        .arg("check-target")
        .args(arguments)
        .env_remove("DESTINATION_ALLOW")
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_public_target_is_allowed() {
    let (code, told) =
        check(&["https://hooks.example/", "--resolve", "hooks.example=8.8.8.8,1.1.1.1"]);
    assert_eq!(
        (code, told.as_str()),
        (0, "allowed: would connect to 8.8.8.8:443 or 1.1.1.1:443\n")
    );
}

/// A reader that has gone away is no error, a result that could not be written is one.
#[test]
fn a_result_that_is_not_written_is_an_error() {
    let (read, gone) = std::io::pipe().unwrap();
    drop(read);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    for (stdout, expected) in [(Stdio::from(full), 1), (Stdio::from(gone), 0)] {
        let output = Command::new(env!("CARGO_BIN_EXE_relay"))
            .args(["check-target", "https://hooks.example/", "--resolve", "hooks.example=8.8.8.8"])
            .stdout(stdout)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(expected), "{told}");
        assert_eq!(told.contains("standard output cannot be written"), expected == 1, "{told}");
    }
}

#[test]
fn an_answer_is_given_for_a_name_in_any_form_of_it() {
    for (host, given) in [
        ("b\u{fc}cher.example", "b\u{fc}cher.example"),
        ("b\u{fc}cher.example", "B\u{dc}CHER.example."),
        ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "b\u{fc}cher.example"),
    ] {
        let (code, told) =
            check(&[&format!("https://{host}/"), "--resolve", &format!("{given}=8.8.8.8")]);
        assert_eq!((code, told.as_str()), (0, "allowed: would connect to 8.8.8.8:443\n"));
    }
}

#[test]
fn f26_a_refusal_says_why() {
    for (arguments, reason) in [
        (&["http://169.254.169.254/"][..], "address 169.254.169.254 is not public"),
        (&["http://0x7f000001/"], "address 127.0.0.1 is not public"),
        (&["http://[::ffff:10.0.0.1]/"], "address ::ffff:10.0.0.1 is not public"),
        (
            &["http://a.example/", "--resolve", "a.example=8.8.8.8,10.0.0.1"],
            "10.0.0.1 is not public",
        ),
        (&["ftp://a.example/"], "must begin with http:// or https://"),
        (&["https://u:p@a.example/"], "must not carry a user name"),
        (
            &["https://8.8.8.8/", "--headers", r#"{"Host": "x"}"#],
            r#"header "Host" is set by the relay"#,
        ),
    ] {
        let (code, told) = check(arguments);
        assert_eq!(code, 3, "{arguments:?}");
        assert!(told.starts_with("refused: ") && told.contains(reason), "{arguments:?}: {told}");
    }
}

#[test]
fn what_an_operator_opened_is_allowed() {
    let (code, _) = check(&["http://10.1.2.3:8080/", "--destination-allow", "10.0.0.0/8:8080"]);
    assert_eq!(code, 0);
    let (code, _) = check(&["http://10.1.2.3/", "--destination-allow", "10.0.0.0/8:8080"]);
    assert_eq!(code, 3);
}

#[test]
fn json_carries_every_reason() {
    let (code, told) = check(&["http://10.0.0.1/", "--headers", r#"{"Host": "x"}"#, "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &told["allowed"]), (3, &serde_json::Value::Bool(false)));
    assert_eq!(told["reasons"].as_array().unwrap().len(), 2);
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &[][..],
        &["https://a.example/", "--resolve", "nonsense"],
        &["https://a.example/", "--resolve", "a.example:8080=8.8.8.8"],
        &["https://a.example/", "--resolve", "a.example/b=8.8.8.8"],
        &["https://8.8.8.8/", "--headers", "[]"],
        &["https://8.8.8.8/", "--destination-allow", "10.0.0.0/99"],
    ] {
        assert_eq!(check(arguments).0, 2, "{arguments:?}");
    }
}

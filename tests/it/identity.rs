//! `WANDB_IDENTITY_TOKEN_FILE`: the token is exchanged at the server, and neither it nor what it gives is told to anybody.

use crate::wandb::{Recipe, Server, State, Switches, World};
use assert_cmd::Command;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Three parts, as a JWT has, and a sign that a form must encode.
const IDENTITY: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2ln+bmF0dXJl";
const ACCESS: &str = "access-5f4dcc3b5aa765d61d8327deb882cf99";

/// A server that knows access tokens only, and how its token endpoint answers; the bodies that this endpoint got.
fn server(answer: (u16, String)) -> (Server, Arc<Mutex<Vec<String>>>) {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let got = bodies.clone();
    let extra = move |_: &State, path: &str, body: &[u8]| {
        (path == "/oidc/token").then(|| {
            got.lock().unwrap().push(String::from_utf8_lossy(body).into_owned());
            answer.clone()
        })
    };
    let switches = Switches { key: "nobody has this key".into(), bearer: Some(ACCESS.into()), ..Switches::default() };
    (Server::start_at(0, World::generate(&Recipe::small(300)), switches, Some(Box::new(extra))), bodies)
}

fn granted(seconds: f64) -> (u16, String) {
    (200, format!(r#"{{"access_token": "{ACCESS}", "token_type": "Bearer", "expires_in": {seconds}}}"#))
}

/// Queries the project and gives exit code, rows and the standard error.
fn query(server: &Server, file: &str, env: &[(&str, &str)]) -> (i32, usize, String) {
    let mut command = Command::cargo_bin("runframe").unwrap();
    command.env_clear().env("WANDB_BASE_URL", server.url()).env("WANDB_IDENTITY_TOKEN_FILE", file);
    let output = command.envs(env.iter().copied()).args(["query", "fleet", "-v", "-s", "name"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    for secret in [IDENTITY, ACCESS, "c2ln"] {
        assert!(!said.contains(secret), "{said}");
    }
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stdout).unwrap().lines().count(), said)
}

fn token_file() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token.jwt");
    std::fs::write(&file, format!("{IDENTITY}\n")).unwrap();
    (dir, file)
}

#[test]
fn the_token_is_exchanged_once_and_used_for_all() {
    let (server, bodies) = server(granted(3600.0));
    let (_dir, file) = token_file();
    let (code, lines, said) = query(&server, file.to_str().unwrap(), &[]);
    assert_eq!((code, lines), (0, 301), "{said}");
    assert!(said.contains("identity token from") && said.contains("answered as ada"), "{said}");
    let encoded = IDENTITY.replace('+', "%2B");
    let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={encoded}");
    // The default entity is asked by a client of its own.
    assert_eq!(*bodies.lock().unwrap(), [form.clone(), form]);
    let sent: Vec<bool> = server.requests().iter().map(|r| r.path == "/oidc/token" || r.authorized).collect();
    assert!(sent.len() > 3 && sent.iter().all(|sent| *sent));
}

#[test]
fn a_token_that_is_soon_over_is_exchanged_again() {
    let (server, bodies) = server(granted(120.0));
    let (_dir, file) = token_file();
    assert_eq!(query(&server, file.to_str().unwrap(), &[("WANDB_ENTITY", "acme")]).0, 0);
    let graphql = server.requests().iter().filter(|request| request.path == "/graphql").count();
    assert_eq!(bodies.lock().unwrap().len(), graphql);
}

#[test]
fn refusals_say_why_and_echo_no_token() {
    let echo = format!(r#"{{"error": "invalid_grant", "error_description": "expired: {IDENTITY}"}}"#);
    let (refusing, bodies) = server((400, echo));
    let (_dir, file) = token_file();
    let (code, _, said) = query(&refusing, file.to_str().unwrap(), &[]);
    assert!(code == 4 && said.contains("invalid_grant; expired: [token]") && said.contains("token.jwt"), "{said}");
    assert_eq!(bodies.lock().unwrap().len(), 1, "it is of no use to ask again");
    let (code, _, said) = query(&refusing, "/nowhere/token", &[]);
    assert!(code == 4 && said.contains("/nowhere/token"), "{said}");
    let (code, _, said) = query(&refusing, file.to_str().unwrap(), &[("WANDB_API_KEY", "x")]);
    assert!(code == 2 && said.contains("both WANDB_API_KEY and"), "{said}");
    // An access token that the server does not know.
    let (unknown, _) = server((200, r#"{"access_token": "another", "expires_in": 3600}"#.into()));
    let (code, _, said) = query(&unknown, file.to_str().unwrap(), &[("WANDB_ENTITY", "acme")]);
    assert!(code == 4 && said.contains("the access token is not accepted"), "{said}");
}

//! Settings: the order in which they are looked for, and that the key shows nowhere.

use super::*;

const SECRET: &str = "s3cr3t-key-0123456789012345678901234567890";

fn here(dir: &Path, env: &[(&str, &str)]) -> Surroundings {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Surroundings { env, home: Some(dir.join("home")), cwd: dir.join("work") }
}

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn key(settings: &Settings) -> Option<&str> {
    settings.key.as_ref().map(ApiKey::reveal)
}

#[test]
fn environment_before_netrc() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("home/.netrc"), "machine api.wandb.ai login user password from-netrc");
    let found = Settings::find_in(&here(dir.path(), &[("WANDB_API_KEY", SECRET)])).unwrap();
    assert_eq!(key(&found), Some(SECRET));
    assert_eq!(found.origins[1], "API key from WANDB_API_KEY");
    let found = Settings::find_in(&here(dir.path(), &[])).unwrap();
    assert_eq!(key(&found), Some("from-netrc"));
    assert!(found.origins[1].ends_with(".netrc (machine api.wandb.ai)"), "{:?}", found.origins);
    assert_eq!(found.base_url.as_str(), "https://api.wandb.ai");
}

#[test]
fn netrc_entries_are_bound_to_host_and_port() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("home/_netrc"), "machine 127.0.0.1:8080 password local\nmachine api.wandb.ai password saas");
    let find = |url| Settings::find_in(&here(dir.path(), &[("WANDB_BASE_URL", url)])).unwrap();
    assert_eq!(key(&find("http://127.0.0.1:8080")), Some("local"));
    assert_eq!(key(&find("http://127.0.0.1:8081")), None);
    assert_eq!(key(&find("https://api.forge.coreweave.com")), Some("saas"));
    write(dir.path().join("work/mine"), "default login u password other");
    let env = [("WANDB_BASE_URL", "https://corp.example"), ("NETRC", "mine")];
    assert_eq!(key(&Settings::find_in(&here(dir.path(), &env)).unwrap()), Some("other"));
}

#[test]
fn bad_netrc_files_are_told_and_not_used() {
    let dir = tempfile::tempdir().unwrap();
    for text in [format!("machine api.wandb.ai\n{SECRET}"), "machine api.wandb.ai login user".to_owned()] {
        write(dir.path().join("home/.netrc"), &text);
        let found = Settings::find_in(&here(dir.path(), &[])).unwrap();
        assert_eq!((key(&found), found.warnings.len()), (None, 1), "{text}");
        assert!(!format!("{found:?}").contains(SECRET));
    }
}

#[test]
fn local_file_before_global_and_environment_before_both() {
    let dir = tempfile::tempdir().unwrap();
    let global = "[default]\nbase_url = https://global.example\nentity: g\n[other]\nproject = no\n";
    write(dir.path().join("home/.config/wandb/settings"), global);
    let found = Settings::find_in(&here(dir.path(), &[])).unwrap();
    assert_eq!(found.base_url.as_str(), "https://global.example");
    assert_eq!((found.entity.as_deref(), found.project.as_deref()), (Some("g"), None));
    write(dir.path().join("work/wandb/settings"), "[default]\n# x\nBase_URL=https://local.example/\nproject=p\n");
    let found = Settings::find_in(&here(dir.path(), &[("WANDB_ENTITY", "e")])).unwrap();
    assert_eq!(found.base_url.as_str(), "https://local.example");
    assert_eq!((found.entity.as_deref(), found.project.as_deref()), (Some("e"), Some("p")));
    assert!(found.origins[0].contains("settings)"), "{:?}", found.origins);
    let found = Settings::find_in(&here(dir.path(), &[("WANDB_BASE_URL", "http://localhost:1")])).unwrap();
    assert_eq!(found.base_url.as_str(), "http://localhost:1");
}

#[test]
fn the_key_shows_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let around = here(dir.path(), &[("WANDB_API_KEY", SECRET)]);
    assert!(!format!("{around:?}").contains(SECRET));
    assert!(!format!("{:?}", Settings::find_in(&around).unwrap()).contains(SECRET));
    let around = here(dir.path(), &[("WANDB_API_KEY", &format!("{SECRET} x"))]);
    let error = Settings::find_in(&around).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(!format!("{error:?} {error}").contains(SECRET));
}

#[test]
fn timeouts_and_urls_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let find = |env: &[(&str, &str)]| Settings::find_in(&here(dir.path(), env));
    assert_eq!(find(&[("WANDB_HTTP_TIMEOUT", "2.5")]).unwrap().attempt_timeout, Duration::from_millis(2_500));
    assert!(find(&[("WANDB_HTTP_TIMEOUT", "soon")]).is_err());
    let error = find(&[("WANDB_BASE_URL", "http://corp.example")]).unwrap_err();
    assert!(error.to_string().starts_with("WANDB_BASE_URL: ") && error.cure().is_some(), "{error}");
    let env = [("WANDB_BASE_URL", "http://corp.example"), ("RUNFRAME_INSECURE_HTTP", "corp.example")];
    assert!(find(&env).is_ok());
}

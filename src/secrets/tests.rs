//! Which texts are secrets and which only look like one, and what stands in their place.

use super::{Form, Named, SECRET_RULES, find_secret};

fn found(key: &str, text: &str) -> Option<&'static str> {
    find_secret(text, 0, Named::of(key)).map(|secret| secret.rule.name)
}

#[test]
fn every_rule_takes_its_example_alone_and_in_a_sentence() {
    for rule in SECRET_RULES {
        let (key, example) = (rule.example.0, rule.example.1.concat());
        assert_eq!(found(key, &example), Some(rule.name), "{example}");
        if matches!(rule.form, Form::Key) {
            assert_eq!(found("dataset", &example), None);
            continue;
        }
        let sentence = format!("python train.py --x=1 --y {example}");
        let secret = find_secret(&sentence, 0, Named::Plain).unwrap();
        assert_eq!(secret.rule.name, rule.name, "{sentence}");
        assert!(example.contains(&sentence[secret.range]), "{sentence}");
    }
}

/// What people log: none of it is a secret.
#[test]
fn what_only_looks_like_a_secret_is_none() {
    let sha = "9fceb02d0ae598e95dc970b74767f19372d61af8";
    for (key, text) in [
        ("num_tokens", "4096"),
        ("max_tokens", "unlimited"),
        ("tokenizer", "meta-llama/Llama-3.1-8B-Instruct"),
        ("tokenizer.pad_token", "<|reserved_special_token_250|>"),
        ("eos_token", "<|endoftext|>"),
        ("pad_token", "[PAD]"),
        ("image_token", "<image_placeholder_0123456789>"),
        ("bos_token", "tokenizer_beginning_of_sentence"),
        ("key", "loss"),
        ("monitor_key", "val/accuracy_top5_2024"),
        ("primary_key", "user_id_2024"),
        ("sort_key", "created_at-2024"),
        ("commit", sha),
        ("sha", sha),
        ("hash", sha),
        ("git.revision", sha),
        ("dataset_token_sha", sha),
        ("digest", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("run_id", "550e8400-e29b-41d4-a716-446655440000"),
        ("secret_ratio", "0.3"),
        ("secret", "disabled"),
        ("secret", "true"),
        ("password", "required"),
        ("password", "********"),
        ("password", "xxxxxxxxxxxx"),
        ("password", "<your password>"),
        ("password", "${DB_PASSWORD}"),
        ("db.password", "$DB_PASSWORD_2"),
        ("api_key", "OPENAI_API_KEY"),
        ("api_key", "{{ secrets.API_KEY }}"),
        ("api_key", "your-api-key-Here1"),
        ("api_key", "/run/secrets/api_key.1"),
        ("api_key", "~/.keys/Openai1"),
        ("api_key", "secrets/Prod/openai"),
        ("api_key", "https://vault.example/v1/Key"),
        ("api_key", "C:\\Users\\ada\\key1.txt"),
        ("api_key_env", "OPENAI_API_KEY_2"),
        ("api_key_file", "keys/Openai1.json"),
        ("password_policy", "Abcdef12"),
        ("dataset", "s3://bucket/train-v2/part-00001.parquet"),
        ("path", "/data/sk-learn/benchmark_2024-10-11/Model_final"),
        ("url", "https://api.wandb.ai/files/acme/fleet/r0000001?x=1:2@3"),
        ("url", "https://ada@github.com/acme/fleet.git"),
        ("url", "postgres://ada:${PGPASSWORD}@db.example/runs"),
        ("url", "postgres://ada:***@db.example/runs"),
        ("url", "postgres://ada:<password>@db.example/runs"),
        ("url", "git@github.com:acme/fleet.git"),
        ("urls", "see http://a.example:80/x and mail me@b.example"),
        ("model", "sk-resnet-50-imagenet-pretrained-with-augmentation"),
        ("model", "sk-proj-EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE"),
        ("model", "hf_internal_testing_tiny_random_llama_2"),
        ("model", "AIzawa-large-v2"),
        ("name", "ghp_not_a_token_but_a_long_name_of_something_else"),
        ("name", "eyJust.a.sentence.with.dots"),
        ("text", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"),
        ("text", "the secret is in the token ratio: password free"),
        ("text", ""),
        ("password", "redacted:0123456789abcdef0123456789abcdef"),
    ] {
        assert_eq!(found(key, text), None, "{key}: {text}");
    }
}

#[test]
fn keys_tell_by_their_last_words() {
    for key in [
        "config.db.password",
        "PASSWORD",
        "wandb.apiKey",
        "api-key",
        "api_keys",
        "aws_secret_access_key",
        "awsSecretAccessKey",
        "client_secret",
        "auth.accessToken",
        "summary.x.passwd",
        "config.password:string",
        "config.credentials",
        "PRIVATE_KEY",
    ] {
        assert_eq!(Named::of(key), Named::Secret, "{key}");
    }
    for key in ["hf_token", "config.token", "tokens", "num_tokens", "wandb_key", "wandbKey"] {
        assert_eq!(Named::of(key), Named::Token, "{key}");
    }
    for key in [
        "key",
        "token_count",
        "tokenizer",
        "password_length",
        "secret_ratio",
        "monkey",
        "config.secretary",
        "keys",
        "x.y",
    ] {
        assert_eq!(Named::of(key), Named::Plain, "{key}");
    }
}

#[test]
fn passwords_and_tokens_under_their_keys_are_secrets() {
    for (key, text) in [
        ("password", "hunter2-and-more"),
        ("db.password", "Tr0ub4dor&3"),
        ("api_key", "a1b2c3d4e5f60718"),
        ("wandb_api_key", "9fceb02d0ae598e95dc970b74767f19372d61af8"),
        ("wandb_key", "9fceb02d0ae598e95dc970b74767f19372d61af8"),
        ("slack_token", "q8w7e6r5t4y3u2i1o0p9a8s7"),
        ("secret_key", "django-insecure-4f$x7kq2m"),
    ] {
        assert_eq!(found(key, text), Some("key name"), "{key}: {text}");
    }
}

#[test]
fn of_a_url_only_the_password_counts() {
    let text = "a redis://:pa55word@cache:6379/0, then amqp://bo%40b:s3c:r3t@mq b";
    let first = find_secret(text, 0, Named::Plain).unwrap();
    assert_eq!(&text[first.range.clone()], "pa55word");
    let second = find_secret(text, first.range.end, Named::Plain).unwrap();
    assert_eq!(&text[second.range.clone()], "s3c:r3t");
    assert!(find_secret(text, second.range.end, Named::Plain).is_none());
}

#[cfg(feature = "frame")]
mod redacting {
    use super::super::{Column, Found, Redaction};
    use crate::columns::TextForm;

    fn redaction() -> Redaction {
        Redaction::with_key(b"0123456789abcdef").unwrap()
    }

    fn edit(path: &str, text: &str, form: TextForm) -> Option<String> {
        let (redaction, mut found) = (redaction(), Found::default());
        Column::new(path, Some(&redaction)).edit(text, form, &mut found)
    }

    #[test]
    fn hashes_are_keyed_blake3() {
        let (one, other) = (redaction(), Redaction::with_key(b"0123456789abcdeg").unwrap());
        assert_eq!(one.hash("x"), one.hash("x"));
        assert_ne!(one.hash("x"), one.hash("y"));
        assert_ne!(one.hash("x"), other.hash("x"));
        assert_ne!(one.key_check(), other.key_check());
        let hash = one.hash("x");
        assert!(hash.len() == 41 && hash.starts_with("redacted:") && !hash.contains(&one.key_check()));
        assert_eq!(one.hash(&hash), hash, "once is enough");
        assert_ne!(Redaction::new().unwrap().hash("x"), Redaction::new().unwrap().hash("x"));
        let error = Redaction::with_key(b"short").unwrap_err().to_string();
        assert!(error.contains("5 bytes") && error.contains("16 or more") && !error.contains("short "), "{error}");
        assert!(!format!("{one:?}").contains("48") && format!("{one:?}").starts_with("Redaction { random: false"));
    }

    #[test]
    fn only_the_secret_is_replaced_and_equal_ones_stay_equal() {
        let hash = redaction().hash("n3verTell");
        let url = edit("config.db.url", "postgres://ada:n3verTell@db/runs?x=1", TextForm::Plain).unwrap();
        assert_eq!(url, format!("postgres://ada:{hash}@db/runs?x=1"));
        assert_eq!(edit("config.db.url", &url, TextForm::Plain), None, "once is enough");
        assert_eq!(edit("config.db.password", "n3verTell", TextForm::Plain), Some(hash.clone()));
        let json = r#"[{"name":"n3verTell","n":1e400,"password":"n3verTell"} , "\"x\\" ,{"u":"http://a:n3verTell@b"}]"#;
        let expected =
            format!(r#"[{{"name":"n3verTell","n":1e400,"password":"{hash}"}} , "\"x\\" ,{{"u":"http://a:{hash}@b"}}]"#);
        assert_eq!(edit("config.list", json, TextForm::Json), Some(expected));
        assert_eq!(edit("config.list", r#"{"a":"b","c":[1,2,"d"]}"#, TextForm::Json), None);
        assert_eq!(edit("config.list", r#"{"a":"b"#, TextForm::Json), None, "what is cut is left");
    }

    #[test]
    fn chosen_columns_are_replaced_whole() {
        let chosen = redaction().columns(["config.data.*", "host", "config.opt"]);
        let mut found = Found::default();
        let mut edit = |column: Column<'_>, text: &str| column.edit(text, TextForm::Plain, &mut found);
        assert_eq!(edit(Column::new("config.data.path", Some(&chosen)), "abc"), Some(chosen.hash("abc")));
        assert_eq!(edit(Column::new("config.opt:string", Some(&chosen)), "adam"), Some(chosen.hash("adam")));
        assert_eq!(edit(Column::new("config.optim", Some(&chosen)), "adam"), None);
        assert_eq!(edit(Column::of_field("host", Some(&chosen)), "gpu1"), Some(chosen.hash("gpu1")));
        assert_eq!(edit(Column::of_field("notes", Some(&chosen)), "postgres://ada:n3verTell@db"), None);
    }
}

//! The command line against a running server: what it prints, where it says what is wrong, and its exit codes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::harness::House;

/// A shell whose commands speak to one server.
struct Shell {
    variables: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

/// What a command left.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Shell {
    fn of(house: &House) -> Self {
        Self::at(house.ready.http.as_deref().unwrap(), &house.ready.users[0].token)
    }

    fn at(server: &str, token: &str) -> Self {
        let variables =
            vec![("SEDERUNT_SERVER".to_owned(), server.to_owned()), ("SEDERUNT_TOKEN".to_owned(), token.to_owned())];
        Self { variables, folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    async fn run(&self, line: &[&str]) -> Done {
        self.feed(line, "").await
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sederunt"));
        command.args(line).current_dir(self.folder.path()).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEDERUNT_")) {
            command.env_remove(name);
        }
        command.envs(self.variables.clone());
        command
    }

    /// Runs a command with this input.
    async fn feed(&self, line: &[&str], input: &str) -> Done {
        let mut command = self.command(line);
        let input = input.to_owned();
        let wait = tokio::task::spawn_blocking(move || -> std::io::Result<Output> {
            use std::io::Write as _;
            let mut child = command.spawn()?;
            child.stdin.take().unwrap().write_all(input.as_bytes())?;
            child.wait_with_output()
        });
        let output = wait.await.unwrap().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    async fn json(&self, line: &[&str]) -> Value {
        let done = self.run(&[line, &["--json"]].concat()).await;
        assert_eq!(done.code, 0, "{done:?}");
        serde_json::from_str(&done.out).unwrap()
    }
}

impl Done {
    #[track_caller]
    fn ok(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.out
    }

    /// Failed with this code, and said what, why and how to fix it.
    #[track_caller]
    fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains("\n  why: ") && self.err.contains("\n  fix: "), "{self:?}");
        &self.err
    }
}

const DESK: &str = "key = \"desk\"\nname = \"Desk\"\nsession_ttl = \"24h\"\n\n[parameters.site]\ntype = \"text\"\n";

#[tokio::test]
async fn an_agent_goes_through_its_life() {
    let house = House::start().await;
    let shell = Shell::of(&house);
    let file = shell.write("desk.toml", DESK);
    let made = shell.json(&["agent", "create", &file]).await;
    assert_eq!((&made["key"], &made["latest"], &made["published"]), (&json!("desk"), &json!("0.1"), &Value::Null));
    assert_eq!(shell.run(&["agent", "publish", "desk"]).await.ok(), "published desk 1.0\n");
    assert_eq!(shell.run(&["agent", "save", "desk", &file]).await.ok(), "saved desk 1.1\n");
    assert_eq!(shell.run(&["agent", "publish", "desk", &file]).await.ok(), "published desk 2.0\n");
    let listed = shell.run(&["agent", "list"]).await;
    let row: Vec<_> = listed.ok().lines().nth(1).unwrap().split_whitespace().take(5).collect();
    assert_eq!(row, ["desk", "Desk", "2.0", "2.0", "yes"]);
    let shown = shell.json(&["agent", "show", "desk"]).await;
    assert_eq!(shown["versions"].as_array().unwrap().len(), 4);
    assert_eq!(shell.run(&["agent", "disable", "desk"]).await.ok(), "disabled desk\n");
    assert!(shell.run(&["chat", "desk", "hi"]).await.failed(1).contains("sederunt agent enable"));
    assert_eq!(shell.run(&["agent", "enable", "desk"]).await.ok(), "enabled desk\n");
    assert_eq!(shell.run(&["agent", "delete", "desk"]).await.ok(), "deleted desk\n");
    assert!(shell.run(&["agent", "show", "desk"]).await.failed(5).contains("agent 'desk' does not exist"));
}

#[tokio::test]
async fn an_import_sets_the_rid_and_all_versions() {
    let house = House::start().await;
    let shell = Shell::of(&house);
    let rid = "ri.aip-agents..agent.5f0c7c1e-6d0b-4d0e-9a53-0b6f0a1d2c3e";
    let versions = "[[versions]]\nname = \"One\"\npublish = true\n[[versions]]\nname = \"Two\"\n";
    let file = shell.write("old.toml", &format!("key = \"old\"\nrid = \"{rid}\"\n{versions}"));
    let made = shell.json(&["agent", "import", &file]).await;
    assert_eq!((&made["rid"], &made["published"], &made["latest"]), (&json!(rid), &json!("1.0"), &json!("1.1")));
    shell.run(&["agent", "create", &file]).await.failed(2);
}

#[tokio::test]
async fn the_examples_can_be_used_as_they_stand() {
    let house = House::start().await;
    let shell = Shell::of(&house);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/agents");
    let file = |name: &str| folder.join(name).display().to_string();
    let made = shell.json(&["agent", "create", &file("support.toml"), "--key", "desk", "--publish"]).await;
    assert_eq!(made["published"], "1.0");
    assert_eq!(shell.json(&["agent", "import", &file("moved.toml")]).await["published"], "2.0");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
}

#[tokio::test]
async fn a_wrong_file_is_told_with_its_line_before_anything_is_asked() {
    // Nothing listens there: the file alone is wrong.
    let shell = Shell::at("http://127.0.0.1:9", "x");
    let file = shell.write("desk.toml", &DESK.replace("session_ttl", "sesion_ttl"));
    let done = shell.run(&["agent", "create", &file]).await;
    let said = done.failed(2);
    assert!(said.contains("line 3: sesion_ttl: unknown key") && said.contains("did you mean 'session_ttl'?"), "{said}");
}

#[tokio::test]
async fn a_key_is_made_used_and_revoked() {
    let house = House::start().await;
    let shell = Shell::of(&house);
    let made = shell.json(&["key", "create", "--user", "carol", "--name", "ci", "--grant", "admin"]).await;
    let carol = Shell::at(house.ready.http.as_deref().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!(carol.json(&["status"]).await["caller"]["user"], "carol");
    let id = &made["id"].as_str().unwrap()[..12];
    assert!(shell.run(&["key", "list"]).await.ok().contains(id));
    assert_eq!(shell.run(&["key", "revoke", id]).await.ok(), "revoked \"ci\" of \"carol\"\n");
    assert!(carol.run(&["status"]).await.failed(4).contains("--token"));

    let limited = ["key", "create", "--user", "dave", "--name", "app", "--grant", "talk:echo", "--expires", "30d"];
    let made = shell.json(&limited).await;
    assert_eq!(made["grants"].as_array().unwrap().len(), 1);
    let dave = Shell::at(house.ready.http.as_deref().unwrap(), made["secret"].as_str().unwrap());
    assert!(dave.run(&["status"]).await.failed(4).contains("--grant admin"));
    let wrong = ["key", "create", "--user", "x", "--name", "y", "--grant", "tolk"];
    assert!(shell.run(&wrong).await.failed(2).contains("did you mean 'talk'?"));
}

#[tokio::test]
async fn an_application_is_registered_listed_and_removed() {
    let house = House::start().await;
    let shell = Shell::of(&house);
    let made = shell.json(&["app", "create", "--name", "job", "--grant", "read-agents"]).await;
    assert!(made["secret"].as_str().unwrap().starts_with("sed_app_"));
    assert_eq!(made["grants"], json!([{"action": "read_agents"}]));
    let uri = "example-app://callback";
    let shown = shell.run(&["app", "create", "--name", "phone", "--public", "--redirect-uri", uri]).await;
    assert!(!shown.ok().contains("secret"), "{shown:?}");
    let id = made["client_id"].as_str().unwrap();
    let listed = shell.run(&["app", "list"]).await;
    assert!(listed.ok().contains(id) && listed.ok().contains(uri), "{listed:?}");
    assert_eq!(shell.run(&["app", "remove", id]).await.ok(), format!("removed {id}\n"));
    shell.run(&["app", "remove", id]).await.failed(5);
    let nowhere = ["app", "create", "--name", "n", "--redirect-uri", "http://app.example/callback"];
    assert!(shell.run(&nowhere).await.failed(1).contains("http is for this machine only"));
    assert_eq!(shell.run(&["app", "create", "--name", "n", "--public"]).await.code, 2);
}

#[tokio::test]
async fn the_first_key_is_made_without_a_server() {
    let shell = Shell::at("http://127.0.0.1:9", "x");
    let url = format!("store.url=sqlite:{}", shell.folder.path().join("data").display());
    let made = shell
        .json(&["key", "create", "--offline", "--user", "root", "--name", "first", "--grant", "all", "--set", &url])
        .await;
    assert!(made["secret"].as_str().unwrap().starts_with("sed_key_"));
    assert_eq!(made["grants"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn a_conversation_is_held_listed_shown_and_deleted() {
    let house = House::start().await;
    let shell = Shell::of(&house);
    assert_eq!(shell.run(&["chat", "echo", "hello", "there"]).await.ok(), "hello there\n");
    let listed = shell.json(&["sessions", "list", "--agent", "echo", "--user", "alice"]).await;
    let session = listed["sessions"][0]["id"].as_str().unwrap();
    // Lines from a pipe are turns of one session.
    let more = shell.feed(&["chat", "echo", "--session", session], "one two\n\nthree\n").await;
    assert_eq!(more.ok(), "one two\nthree\n");
    let shown = shell.run(&["sessions", "show", session]).await;
    assert!(shown.ok().contains("  agent message: one two\n"), "{shown:?}");
    assert_eq!(shell.json(&["sessions", "show", session, "--parts"]).await["turns"].as_array().unwrap().len(), 3);
    shell.run(&["sessions", "delete", session]).await.ok();
    shell.run(&["sessions", "show", session]).await.failed(5);
}

#[tokio::test]
#[cfg(unix)]
async fn an_interrupt_cancels_the_answer_that_runs() {
    let script = "[[rule]]\ntext = \".*\"\nreply = \"one two three\"\nfault = { kind = \"hang\", after = 2 }\n";
    let house = House::new().script(script).start().await;
    let shell = Shell::of(&house);
    let mut child = shell.command(&["chat", "echo", "x"]).spawn().unwrap();
    let talk = tokio::task::spawn_blocking(move || {
        let mut out = child.stdout.take().unwrap();
        let mut heard = [0; 8];
        out.read_exact(&mut heard).unwrap();
        let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(told.success() && child.wait().unwrap().success());
        heard
    });
    assert_eq!(&talk.await.unwrap(), b"one two ");
    let listed = shell.json(&["sessions", "list"]).await;
    let shown = shell.json(&["sessions", "show", listed["sessions"][0]["id"].as_str().unwrap()]).await;
    assert_eq!(shown["turns"][0]["state"], "cancelled");
}

#[tokio::test]
async fn an_answer_that_fails_is_a_failure() {
    let script =
        "[[rule]]\ntext = \".*\"\nreply = \"one two three\"\nfault = { kind = \"broken_stream\", after = 2 }\n";
    let house = House::new().script(script).start().await;
    let done = Shell::of(&house).run(&["chat", "echo", "x"]).await;
    done.failed(1);
    assert_eq!(done.out, "one two \n");
    let piped = Shell::of(&house).feed(&["chat", "echo"], "x\ny\n").await;
    piped.failed(1);
    assert_eq!(piped.out, "one two \n");
}

#[tokio::test]
async fn the_clock_is_read_and_moved() {
    let house = House::new().held().start().await;
    let shell = Shell::of(&house);
    assert_eq!(shell.json(&["clock", "show"]).await["now"], "2026-01-02T03:04:05.000000000Z");
    assert_eq!(shell.json(&["clock", "advance", "25h"]).await["now"], "2026-01-03T04:04:05.000000000Z");
    assert_eq!(shell.json(&["clock", "set", "2030-01-01T00:00:00Z"]).await["held"], true);
    assert_eq!(shell.json(&["clock", "resume"]).await["held"], false);
    assert_eq!(shell.json(&["clock", "hold"]).await["held"], true);
    shell.run(&["clock", "advance", "soon"]).await.failed(1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_from_one_that_refuses() {
    let house = House::start().await;
    let nobody = Shell::at("http://127.0.0.1:9", "x");
    assert!(nobody.run(&["status"]).await.failed(3).contains("cannot be reached"));
    let stranger = Shell::at(house.ready.http.as_deref().unwrap(), "nonsense");
    stranger.run(&["status"]).await.failed(4);
    let refused = stranger.run(&["status", "--json"]).await;
    let error: Value = serde_json::from_str(&refused.err).unwrap();
    assert!(error["error"]["fix"].is_string());
    assert_eq!(nobody.run(&["fly"]).await.code, 2);
    nobody.run(&["status", "--server", "ftp://x"]).await.failed(2);
}

#[tokio::test]
async fn env_prints_what_a_shell_can_read() {
    let house = House::start().await;
    let shell = Shell::of(&house);
    let host = house.ready.http.as_deref().unwrap().strip_prefix("http://").unwrap();
    let printed = shell.run(&["env", "palantir"]).await;
    let exports: Vec<_> = printed.ok().lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(exports, [format!("export FOUNDRY_HOSTNAME={host}"), "export FOUNDRY_TOKEN=sederunt-dev-alice".into()]);
}

#[tokio::test]
async fn env_tells_the_vectara_sdk_its_key_and_the_program_its_server() {
    let house = House::new().https().start().await;
    let shell = Shell::of(&house);
    let http = house.ready.http.clone().unwrap();
    let plain = shell.json(&["env", "vectara", "--server", &http]).await;
    let base = format!("{http}/v2");
    let told = json!({"SEDERUNT_SERVER": http, "VECTARA_API_KEY": "sederunt-dev-alice", "VECTARA_BASE_URL": base});
    assert_eq!(plain, told);
}

#[tokio::test]
async fn a_ready_file_names_the_server_its_root_and_who_asks() {
    let house = House::new().https().start().await;
    let mut ready = house.ready.clone();
    ready.http = None;
    let mut shell = Shell::of(&house);
    shell.variables.clear();
    let file = shell.write("ready.json", &serde_json::to_string(&ready).unwrap());
    let status = shell.json(&["status", "--ready-file", &file]).await;
    assert_eq!(status["caller"]["user"], "alice");
    let variables = shell.json(&["env", "palantir", "--ready-file", &file]).await;
    assert_eq!(variables["SSL_CERT_FILE"], json!(ready.ca));
}

#[tokio::test]
async fn a_tail_shows_answers_until_the_server_ends() {
    let house = House::start().await;
    let mut child = Shell::of(&house).command(&["tail"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (mut out, first) = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        (out, line)
    })
    .await
    .unwrap();
    assert_eq!(first, "watching; Ctrl-C ends it\n");
    house.alice().get("/healthz").await.expect(200);
    house.stop().await;
    let rest = tokio::task::spawn_blocking(move || {
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert!(child.wait().unwrap().success());
        rest
    });
    assert!(rest.await.unwrap().contains("GET /healthz"));
}

#[tokio::test]
async fn a_server_is_told_to_stop() {
    let house = House::start().await;
    assert_eq!(Shell::of(&house).run(&["stop"]).await.ok(), "stopping\n");
    house.server().shutdown().soft.cancelled().await;
    house.stop().await;
}

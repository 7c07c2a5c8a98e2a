//! `sederunt chat`: a conversation with an agent in the terminal, streamed as it comes. Ctrl-C cancels the answer that
//! runs, and ends the conversation where none does.

use std::io::{IsTerminal, Write as _};
use std::thread;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Method;
use sederunt_core::error::Ignore;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cli::say;
use crate::commands::client::Client;
use crate::commands::connection::Connection;
use crate::commands::events::Events;
use crate::commands::table::{print, printable};
use crate::fault::Fault;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent: its key, UUID or RID
    agent: String,
    /// What to say; without it, lines are read until the input ends
    text: Vec<String>,
    /// Go on with this session: its UUID or RID
    #[arg(long)]
    session: Option<String>,
    /// Talk to this version, such as 1.0 [default: the newest published one]
    #[arg(long, conflicts_with = "session")]
    version: Option<String>,
    /// A value for one of the agent's text parameters; may be repeated
    #[arg(long = "parameter", value_name = "NAME=TEXT", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    #[command(flatten)]
    connection: Connection,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it NAME=TEXT")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// How an answer came out.
struct Answer {
    ending: Value,
    cancelled: bool,
}

pub async fn run(args: Args, json: bool) -> Result<(), Fault> {
    let chat = Chat::open(args, json).await?;
    let mut interrupts = Interrupts::new();
    if !chat.text.is_empty() {
        let answer = chat.say(&chat.text, &mut interrupts).await?;
        return chat.judge(&answer);
    }
    let terminal = std::io::stdin().is_terminal();
    if terminal && !json {
        say(format_args!("session {}: an empty line or Ctrl-D ends it, Ctrl-C cancels an answer", chat.session));
    }
    let mut lines = lines();
    loop {
        if terminal && !json {
            write("> ");
        }
        let line = tokio::select! {
            line = lines.recv() => line,
            () = interrupts.next() => break,
        };
        let Some(line) = line else { break };
        let line = line.map_err(|e| Fault::failed("the input cannot be read", e, "type text, or pipe it in"))?;
        match line.trim() {
            "" if terminal => break,
            "" => continue,
            // A person can go on after an answer that failed; a script must learn of it.
            text if terminal => chat.judge_on(&chat.say(text, &mut interrupts).await?),
            text => chat.judge(&chat.say(text, &mut interrupts).await?)?,
        }
    }
    Ok(())
}

/// Every Ctrl-C, from the moment this is made. One that comes while nobody waits is not lost.
struct Interrupts(BoxFuture<'static, ()>);

impl Interrupts {
    fn new() -> Self {
        let mut one =
            async { tokio::signal::ctrl_c().await.ignore("without signals nothing can be cancelled") }.boxed();
        // It listens from its first poll on.
        if (&mut one).now_or_never().is_some() {
            one = std::future::pending().boxed();
        }
        Self(one)
    }

    async fn next(&mut self) {
        (&mut self.0).await;
        *self = Self::new();
    }
}

/// The lines of the input. They are read on a thread of their own, since nothing can break a read of a terminal off;
/// it ends with the input, with the receiver, or with the process.
fn lines() -> mpsc::Receiver<std::io::Result<String>> {
    let (sender, lines) = mpsc::channel(1);
    thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

struct Chat {
    client: Client,
    session: String,
    text: String,
    parameters: Value,
    json: bool,
}

impl Chat {
    async fn open(args: Args, json: bool) -> Result<Self, Fault> {
        let client = args.connection.client()?;
        let what = format!("no conversation with '{}' can begin", args.agent);
        let session = match args.session {
            Some(session) => session,
            None => {
                let mut body = json!({"ttl": "24h"});
                if let Some(version) = args.version {
                    body["version"] = json!(version);
                }
                let made = client.post(&what, &["agents", &args.agent, "sessions"], body).await?;
                made["id"].as_str().unwrap_or_default().to_owned()
            }
        };
        let parameters = args.parameters.into_iter().map(|(name, text)| (name, json!({"type": "text", "value": text})));
        let parameters = Value::Object(parameters.collect());
        Ok(Self { client, session, text: args.text.join(" "), parameters, json })
    }

    /// Says `text` and prints the answer as it comes. Ctrl-C cancels it.
    async fn say(&self, text: &str, interrupts: &mut Interrupts) -> Result<Answer, Fault> {
        let what = "it cannot be said";
        let body = json!({"text": text, "parameters": self.parameters, "stream": true});
        let path = ["sessions", &self.session, "turns"];
        let mut answer = Answer { ending: Value::Null, cancelled: false };
        let response = tokio::select! {
            response = self.client.open(what, Method::POST, &path, Some(body)) => response?,
            () = interrupts.next() => return Ok(Answer { cancelled: true, ..answer }),
        };
        let mut events = Events::new(response);
        let mut turn = String::new();
        let mut mid_line = false;
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                // Who asks a second time does not wait for the end.
                () = interrupts.next() => if answer.cancelled { break } else {
                    answer.cancelled = true;
                    self.cancel(&turn).await;
                    continue;
                },
            };
            let event = event.map_err(|e| Fault::unreachable("the answer broke off", e, "ask again with --session"))?;
            let Some((name, data)) = event else { break };
            if self.json {
                say(json!({"event": name, "data": data}));
            }
            match name.as_str() {
                "turn" => turn = data["id"].as_str().unwrap_or_default().to_owned(),
                _ if data["type"] == "end" => answer.ending = data["ending"].clone(),
                _ if !self.json => show(&data, &mut mid_line),
                _ => {}
            }
        }
        if !self.json && mid_line {
            say("");
        }
        Ok(answer)
    }

    /// Cancels the turn; its stream then ends by itself, with what there is of the answer.
    async fn cancel(&self, turn: &str) {
        let asked = self.client.post("the answer cannot be cancelled", &["turns", turn, "cancel"], json!({})).await;
        asked.ignore("it may have ended meanwhile, which its stream tells");
    }

    fn judge(&self, answer: &Answer) -> Result<(), Fault> {
        let how = answer.ending["how"].as_str().unwrap_or("unknown");
        match how {
            "done" | "length" | "filtered" | "needs_outputs" => Ok(()),
            _ if answer.cancelled => Ok(()),
            "failed" => {
                let why = answer.ending["message"].as_str().unwrap_or("the model failed").to_owned();
                Err(Fault::failed("the agent did not answer", why, "the server's log says more"))
            }
            other => Err(Fault::failed(
                "the agent did not answer to the end",
                format!("the turn was {other}"),
                format!("`sederunt sessions show {}` shows what there is", self.session),
            )),
        }
    }

    /// In a conversation, a failed answer is told and the next line read.
    fn judge_on(&self, answer: &Answer) {
        if let Err(fault) = self.judge(answer) {
            print(self.json, &fault.json(), || fault.to_string());
        }
    }
}

/// Prints a part: the answer's text as it is, everything else in brackets on a line of its own. `mid_line` is whether the
/// text so far has left a line open.
fn show(part: &Value, mid_line: &mut bool) {
    let aside = match part["type"].as_str() {
        Some("text") => {
            let text = printable(part["delta"].as_str().unwrap_or_default());
            if !text.is_empty() {
                *mid_line = !text.ends_with('\n');
            }
            return write(&text);
        }
        Some("tool_call") => format!("[{} {}]", part["tool"].as_str().unwrap_or("tool"), part["arguments"]),
        Some("tool_result") => match part["error"].as_str() {
            Some(error) => format!("[! {}]", printable(error)),
            None => format!("[= {}]", printable(&part["output"].to_string())),
        },
        Some("parameter_update") => {
            format!("[{} is now {}]", part["name"].as_str().unwrap_or_default(), part["value"]["value"])
        }
        _ => return,
    };
    let first = if std::mem::take(mid_line) { "\n" } else { "" };
    write(&format!("{first}{aside}\n"));
}

/// Writes without a line's end. A reader that went away is no reason to fail.
fn write(text: &str) {
    let mut out = std::io::stdout();
    _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

//! A database cluster on loopback: three members of PostgreSQL under Patroni, which ask one etcd who leads.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sederunt_rig::postgres::Installed;
use serde_json::Value;

use super::guard::{Guard, kill_all};

/// A member's configuration, beside this program's source.
const MEMBER: &str = include_str!("../../patroni/member.yml");
/// How many members there are: a leader and two standbys.
pub const MEMBERS: usize = 3;
/// Where ports are looked for.
const PORTS: Range<u16> = 18_000..32_000;
/// The longest wait for a cluster to be made, or made whole.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest that Patroni may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How often it is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// A database cluster. Its processes end and its folder goes when this is dropped, or when this process ends.
#[derive(Debug)]
pub struct Patroni {
    programs: PathBuf,
    postgres: Installed,
    etcd_port: u16,
    etcd: Child,
    members: Vec<Member>,
    guard: Guard,
}

#[derive(Debug)]
struct Member {
    name: String,
    folder: PathBuf,
    rest_port: u16,
    port: u16,
    patroni: Option<Child>,
}

impl Patroni {
    /// Starts a cluster and waits until it is whole. `home` is where Patroni and etcd are installed. If `disk` is given, all
    /// data lies on a file system of that many bytes.
    pub fn start(home: &Path, disk: Option<u64>) -> Result<Self> {
        let postgres = Installed::find()?;
        let folder = tempfile::Builder::new().prefix("sederunt-crash-").tempdir()?.keep();
        let data = folder.join("data");
        fs::create_dir(&data)?;
        let guard = Guard::over(folder.clone(), disk.map(|_| data.as_path()))?;
        if let Some(bytes) = disk {
            mount(&data, bytes)?;
        }
        for folder in [&folder, &data] {
            own(&postgres, folder)?;
        }
        let programs = home.canonicalize().with_context(|| format!("{} is not installed", home.display()))?.join("bin");
        let (etcd_port, peer_port) = (free_port()?, free_port()?);
        let (client, peer) = (format!("http://127.0.0.1:{etcd_port}"), format!("http://127.0.0.1:{peer_port}"));
        let mut command = as_user(&postgres, &programs.join("etcd"), &folder);
        command.arg("--data-dir").arg(folder.join("etcd")).args(["--listen-client-urls", &client]);
        command.args(["--advertise-client-urls", &client, "--listen-peer-urls", &peer]);
        command.args(["--initial-advertise-peer-urls", &peer, "--initial-cluster", &format!("default={peer}")]);
        let etcd = log_to(&mut command, &folder.join("etcd.log"))?.spawn().context("etcd cannot be run")?;
        let mut cluster = Self { programs, postgres, etcd_port, etcd, members: Vec::new(), guard };
        cluster.wait_for_etcd()?;
        for number in 1..=MEMBERS {
            let (name, folder) = (format!("member{number}"), data.join(format!("member{number}")));
            fs::create_dir(&folder)?;
            own(&cluster.postgres, &folder)?;
            let member = Member { name, folder, rest_port: free_port()?, port: free_port()?, patroni: None };
            cluster.members.push(member);
            // The first makes the database; the others copy it, and would only get in its way before that.
            cluster.start_member(number - 1)?;
            cluster.wait_led()?;
        }
        cluster.wait_whole()?;
        Ok(cluster)
    }

    /// Its folder, and with it that of all that may be started beside it.
    pub fn folder(&self) -> &Path {
        self.guard.folder()
    }

    /// The ports of the members.
    pub fn ports(&self) -> Vec<u16> {
        self.members.iter().map(|member| member.port).collect()
    }

    /// Which member leads, if one does.
    pub fn leader(&self) -> Option<usize> {
        (0..self.members.len()).find(|&at| self.told(at).is_some_and(|told| leads(&told)))
    }

    /// A member that follows.
    pub fn standby(&self) -> Option<usize> {
        let leader = self.leader()?;
        (0..MEMBERS).find(|&at| at != leader)
    }

    /// Kills a member: PostgreSQL with all its processes, and its Patroni.
    pub fn kill(&mut self, at: usize) -> Result<()> {
        let member = self.members.get_mut(at).context("there is such a member")?;
        let mut patroni = member.patroni.take().context("the member runs")?;
        // First who would start the other again.
        patroni.kill()?;
        patroni.wait()?;
        let state = fs::read_to_string(member.folder.join("data/postmaster.pid")).unwrap_or_default();
        if let Some(postmaster) = state.lines().next().and_then(|line| line.trim().parse().ok()) {
            kill_all(postmaster);
        }
        Ok(())
    }

    /// Starts every member that was killed.
    pub fn revive(&mut self) -> Result<()> {
        for at in 0..self.members.len() {
            if self.members.get(at).is_some_and(|member| member.patroni.is_none()) {
                self.start_member(at)?;
            }
        }
        Ok(())
    }

    /// Waits until one leads and the others follow it, each a standby that may take over.
    pub fn wait_whole(&self) -> Result<()> {
        let follows = |standby: &Value| standby["state"] == "streaming" && standby["sync_state"] == "quorum";
        self.wait_until("whole", |cluster| {
            let told = cluster.leader().and_then(|at| cluster.told(at)).unwrap_or_default();
            let standbys = told["replication"].as_array().map(Vec::as_slice).unwrap_or_default();
            leads(&told) && standbys.iter().filter(|standby| follows(standby)).count() == MEMBERS - 1
        })
    }

    /// Waits until one leads.
    pub fn wait_led(&self) -> Result<()> {
        self.wait_until("led", |cluster| cluster.leader().is_some())
    }

    /// Runs SQL on the leader; the rows.
    pub fn execute(&self, sql: &str) -> Result<String> {
        let leader = self.leader().context("somebody leads")?;
        let port = self.members.get(leader).context("the leader is a member")?.port;
        let mut psql = self.postgres.command("psql")?;
        psql.current_dir(self.folder()).args([
            "-X",
            "-qAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
        ]);
        let done = psql.args(["-p", &port.to_string(), "-d", "postgres", "-c", sql]).output()?;
        if !done.status.success() {
            bail!("{sql} fails: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(String::from_utf8(done.stdout)?)
    }

    /// The last lines of what each member has logged.
    pub fn log(&self) -> String {
        let logs = self.members.iter().map(|member| {
            let log = fs::read_to_string(self.folder().join(format!("{}.log", member.name))).unwrap_or_default();
            let from = log.char_indices().rev().nth(3_000).map_or(0, |(at, _)| at);
            format!("--- {}\n{}", member.name, log.get(from..).unwrap_or_default())
        });
        logs.collect()
    }

    /// Takes all the room that is left on the members' disk, and gives it back when dropped.
    pub fn fill(&self) -> Result<Ballast> {
        let ballast = Ballast(self.folder().join("data/ballast"));
        let mut file = File::create(&ballast.0)?;
        let block = vec![0; 1 << 20];
        loop {
            match file.write_all(&block) {
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(ballast),
                written => written?,
            }
        }
    }

    fn start_member(&mut self, at: usize) -> Result<()> {
        let folder = self.folder().to_owned();
        let member = self.members.get_mut(at).context("there is such a member")?;
        let fill = [
            ("{name}", member.name.clone()),
            ("{rest_port}", member.rest_port.to_string()),
            ("{etcd_port}", self.etcd_port.to_string()),
            ("{port}", member.port.to_string()),
            ("{folder}", member.folder.display().to_string()),
            ("{programs}", self.postgres.programs().display().to_string()),
        ];
        let text = fill.iter().fold(MEMBER.to_owned(), |text, (name, value)| text.replace(name, value));
        let file = folder.join(format!("{}.yml", member.name));
        fs::write(&file, text)?;
        let mut command = as_user(&self.postgres, &self.programs.join("patroni"), &folder);
        log_to(command.arg(&file), &folder.join(format!("{}.log", member.name)))?;
        member.patroni = Some(command.spawn().context("Patroni cannot be run")?);
        Ok(())
    }

    /// What a member that runs tells of itself.
    fn told(&self, at: usize) -> Option<Value> {
        let member = self.members.get(at)?;
        member.patroni.as_ref()?;
        ask(member.rest_port, "/patroni").ok()
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        let began = Instant::now();
        while !is_so(self) {
            if began.elapsed() > PATIENCE {
                bail!("the database cluster was not {what} within {PATIENCE:?}:\n{}", self.log());
            }
            std::thread::sleep(AGAIN);
        }
        Ok(())
    }

    fn wait_for_etcd(&self) -> Result<()> {
        self.wait_until("able to agree", |cluster| {
            ask(cluster.etcd_port, "/health").is_ok_and(|told| told["health"] == "true")
        })
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for at in 0..self.members.len() {
            // One that was killed before has nothing to kill, and the guard ends what this leaves.
            _ = self.kill(at);
        }
        _ = self.etcd.kill();
        _ = self.etcd.wait();
    }
}

/// Whether what a member tells of itself is that it leads.
fn leads(told: &Value) -> bool {
    told["role"] == "primary" && told["state"] == "running"
}

/// A file that fills a disk; removed when dropped.
#[derive(Debug)]
pub struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        // Were it to stay, the round would say that the service does not come back.
        _ = fs::remove_file(&self.0);
    }
}

/// Makes `folder` a file system of its own, of so many bytes.
fn mount(folder: &Path, bytes: u64) -> Result<()> {
    let mut mount = Command::new("mount");
    let done = mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "sederunt-crash"]).arg(folder).output()?;
    if !done.status.success() {
        bail!("a small disk cannot be mounted: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

fn own(postgres: &Installed, path: &Path) -> Result<()> {
    match postgres.run_as {
        Some((user, group)) => Ok(chown(path, Some(user), Some(group))?),
        None => Ok(()),
    }
}

/// A program of ours as the user that may run PostgreSQL. The one capability lets it read programs that lie where only root
/// looks, as in root's home.
fn as_user(postgres: &Installed, program: &Path, folder: &Path) -> Command {
    let mut command = match postgres.run_as {
        Some((user, group)) => {
            let mut setpriv = Command::new("setpriv");
            setpriv.args([format!("--reuid={user}"), format!("--regid={group}")]);
            setpriv.args(["--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]).arg(program);
            setpriv
        }
        None => Command::new(program),
    };
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["PG", "PATRONI", "ETCD"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C.UTF-8").env("HOME", folder).env("no_proxy", "*").current_dir(folder);
    command
}

/// Sends what a command says to a file, and keeps interrupts at the terminal away from it.
fn log_to<'c>(command: &'c mut Command, file: &Path) -> Result<&'c mut Command> {
    let log = File::options().create(true).append(true).open(file)?;
    Ok(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0))
}

/// What a local HTTP server answers, as JSON.
fn ask(port: u16, path: &str) -> Result<Value> {
    let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8(answer)?;
    let (_, body) = text.split_once("\r\n\r\n").context("an answer has a body")?;
    Ok(serde_json::from_str(body)?)
}

/// A port that nobody listens at, and that the system does not give to those who connect, as it does with the high ones: a
/// member that was killed must find its own free again.
fn free_port() -> Result<u16> {
    static DRAWN: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % PORTS.len() as u32)?;
    for _ in PORTS {
        let drawn = first.wrapping_add(DRAWN.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u16;
        let port = PORTS.start + drawn;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}

//! The `sederunt` binary.

fn main() -> std::process::ExitCode {
    sederunt_server::cli::main()
}

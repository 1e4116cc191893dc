//! Calls of another plugin, as a main plugin makes them of its IPAM plugin (CNI SPEC 1.1.0, "Section 4").

use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::identifier::shorten;
use crate::{AddResult, Code, Config, Error, Field, FieldError, Json, Verb};

/// Octets of a plugin's answer that are read.
const MAX_ANSWER: u64 = 16 << 20;

/// Another plugin. It is called with the environment of this process, but for `CNI_COMMAND`; its standard error is that
/// of this process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delegate {
    program: PathBuf,
}

impl Delegate {
    /// Finds the plugin of a `type` in the folders of `CNI_PATH`; the first that has it counts.
    ///
    /// # Errors
    /// The type is no plain file name: code 7; `CNI_PATH` is empty or no folder has it: code 4.
    pub fn find(kind: &str, path: &OsStr) -> Result<Self, Error> {
        if kind.is_empty() || kind == "." || kind == ".." || kind.contains(['/', '\0']) {
            let details = format!("{}: name a file in a folder of CNI_PATH", shorten(kind));
            return Err(
                Error::new(Code::INVALID_CONFIG, "invalid plugin type").with_details(details)
            );
        }
        let is_program = |program: &PathBuf| program.is_file();
        let mut programs = std::env::split_paths(path).map(|folder| folder.join(kind));
        programs.find(is_program).map(|program| Self { program }).ok_or_else(|| {
            let message = format!("failed to find plugin {} in CNI_PATH", shorten(kind));
            let details = format!(
                "CNI_PATH is {}; put the plugin into one of its folders",
                shorten(&path.to_string_lossy())
            );
            Error::new(Code::INVALID_ENVIRONMENT, message).with_details(details)
        })
    }

    /// Returns the path of the program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Calls ADD with this configuration; when it fails, DEL, so that nothing of it stays.
    ///
    /// # Errors
    /// The plugin failed, with its own error, or did not answer with a result. A failing DEL is told in the details.
    pub fn add(&self, config: &[u8]) -> Result<AddResult, Error> {
        self.call(Verb::Add, config).and_then(|answer| self.decode(&answer, config)).map_err(
            |mut error| {
                if let Err(second) = self.call(Verb::Del, config) {
                    let between = if error.details.is_empty() { "" } else { "; " };
                    error.details += &format!("{between}DEL after it failed too: {second}");
                }
                error
            },
        )
    }

    /// Calls a verb that answers nothing: DEL, CHECK, GC or STATUS.
    ///
    /// # Errors
    /// The plugin failed, with its own error.
    pub fn run(&self, verb: Verb, config: &[u8]) -> Result<(), Error> {
        self.call(verb, config).map(drop)
    }

    fn decode(&self, answer: &[u8], config: &[u8]) -> Result<AddResult, Error> {
        let decoding = |problem: String| {
            let message = format!("the answer of {} is no result", self.program.display());
            Error::new(Code::DECODING, message).with_details(problem)
        };
        let json = Json::parse(answer).map_err(|error| decoding(error.to_string()))?;
        let version = Config::version_of(config);
        AddResult::decode(&Field::root(&json), version).map_err(|error| decoding(error.to_string()))
    }

    fn call(&self, verb: Verb, config: &[u8]) -> Result<Vec<u8>, Error> {
        let (status, answer) = self.execute(verb, config).map_err(|error| {
            // The file is being written: an installer is at work.
            let is_busy = error.kind() == ErrorKind::ExecutableFileBusy;
            let code = if is_busy { Code::TRY_AGAIN_LATER } else { Code::IO };
            Error::new(code, format!("cannot run {}", self.program.display()))
                .with_details(error.to_string())
        })?;
        if status.success() { Ok(answer) } else { Err(self.failure(verb, status, &answer)) }
    }

    fn execute(&self, verb: Verb, config: &[u8]) -> std::io::Result<(ExitStatus, Vec<u8>)> {
        let mut child = Command::new(&self.program)
            .env("CNI_COMMAND", verb.as_str())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut answer = Vec::new();
        // Both at once: a plugin may answer before it has read everything.
        let read = std::thread::scope(|scope| {
            scope.spawn(|| {
                // A plugin that does not read what it gets answers without.
                input.map(|mut input| input.write_all(config))
            });
            output.map_or(Ok(0), |output| output.take(MAX_ANSWER).read_to_end(&mut answer))
        });
        let status = child.wait()?;
        read?;
        Ok((status, answer))
    }

    /// Returns the error of a plugin that failed.
    fn failure(&self, verb: Verb, status: ExitStatus, answer: &[u8]) -> Error {
        let told = Json::parse(answer).ok().and_then(|json| error_of(&json).ok().flatten());
        told.unwrap_or_else(|| {
            let program = self.program.display();
            let message = format!("{program} failed at {} with {status}", verb.as_str());
            let details = match String::from_utf8_lossy(answer).trim() {
                "" => "it answered nothing; its standard error may say more".to_owned(),
                text => format!("it answered no error of CNI but {}", shorten(text)),
            };
            Error::new(Code::INTERNAL, message).with_details(details)
        })
    }
}

/// Reads an error of CNI; none when it has no code or message.
fn error_of(json: &Json) -> Result<Option<Error>, FieldError> {
    let field = Field::root(json);
    let (Some(code), Some(message)) = (field.get("code")?, field.get("msg")?) else {
        return Ok(None);
    };
    let details = field.get("details")?.map(|details| details.string()).transpose()?;
    let code = u32::try_from(code.unsigned()?).unwrap_or(Code::INTERNAL.0);
    let error = Error::new(Code(code), message.string()?);
    Ok(Some(error.with_details(details.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const CONFIG: &[u8] = br#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge"}"#;

    /// A folder with a plugin that appends its verb to a file and then runs a script.
    fn plugin(script: &str) -> (tempfile::TempDir, Delegate) {
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().join("calls").display().to_string();
        let text = format!("#!/bin/sh\necho \"$CNI_COMMAND\" >> {calls}\n{script}\n");
        // Written by another process: a file that this one wrote might still be open in a child of another test.
        let path = folder.path().join("plugin");
        let mut child = Command::new("sh")
            .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        let delegate = Delegate::find("plugin", folder.path().as_os_str()).unwrap();
        (folder, delegate)
    }

    #[test]
    fn add_gives_the_result() {
        let (_folder, delegate) = plugin(
            r#"cat > /dev/null; echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.5/16"}]}'"#,
        );
        let result = delegate.add(CONFIG).unwrap();
        assert_eq!(result.ips[0].address.to_string(), "10.1.0.5/16");
    }

    #[test]
    fn a_failing_add_is_followed_by_del() {
        for (script, code, words) in [
            (r#"echo '{"code": 11, "msg": "busy", "details": "wait"}'; exit 1"#, 11, "busy: wait"),
            ("echo oops; exit 3", 999, "oops"),
            ("exit 3", 999, "answered nothing"),
            ("echo '{}' ; exit 1", 999, "no error of CNI"),
            ("echo '[]'", 6, "want an object"),
            (r#"echo '{"ips": [{}]}'"#, 6, "want a key address"),
        ] {
            let (folder, delegate) = plugin(script);
            let error = delegate.add(CONFIG).unwrap_err();
            assert_eq!(error.code, Code(code), "{script}: {error}");
            assert!(error.to_string().contains(words), "{script}: {error}");
            assert_eq!(fs::read_to_string(folder.path().join("calls")).unwrap(), "ADD\nDEL\n");
        }
    }

    #[test]
    fn large_input_and_output_pass_at_once() {
        // Each is more than a pipe holds, and the plugin answers first.
        let (_folder, delegate) = plugin("head -c 300000 /dev/zero; wc -c > /dev/null");
        let config = vec![b' '; 300_000];
        assert_eq!(delegate.call(Verb::Add, &config).unwrap().len(), 300_000);
    }

    #[test]
    fn only_plain_names_in_the_path_are_plugins() {
        let (folder, _) = plugin("exit 0");
        for (kind, code) in [
            ("missing", Code::INVALID_ENVIRONMENT),
            ("../plugin", Code::INVALID_CONFIG),
            ("", Code::INVALID_CONFIG),
            ("..", Code::INVALID_CONFIG),
        ] {
            assert_eq!(Delegate::find(kind, folder.path().as_os_str()).unwrap_err().code, code);
        }
        let error = Delegate::find("plugin", OsStr::new("")).unwrap_err();
        assert_eq!(error.code, Code::INVALID_ENVIRONMENT);
    }
}

//! Finds the plugin for a script.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process;

use super::command_line::Command;

/// Fills in the plugin, unless the user has named it.
///
/// # Errors
/// Lists the places where it looked.
pub(super) fn find(command: &mut Command) -> Result<(), String> {
    if !command.plugin.as_os_str().is_empty() {
        return Ok(());
    }
    let script = command.script.display();
    let Some(language) = command.script.extension().and_then(OsStr::to_str) else {
        return Err(format!(
            "{script}: found no extension, such as .lua, expected it or --plugin=FILE"
        ));
    };
    let looked = places(language);
    command.plugin = looked.iter().find(|file| file.is_file()).cloned().ok_or_else(|| {
        let looked: Vec<_> = looked.iter().map(|file| file.display().to_string()).collect();
        format!(
            "{script}: found no plugin for .{language} in {}, expected --plugin=FILE",
            looked.join(", ")
        )
    })?;
    Ok(())
}

/// Where the plugin may be: beside this program, where cargo builds it, or among nbdkit's installed
/// plugins, under the names that `script/install` uses.
fn places(language: &str) -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let built = program.as_deref().and_then(Path::parent);
    let built = built.map(|directory| directory.join(format!("libnbdkit_{language}.so")));
    let mut names = vec![format!("nbdkit-script-{language}-plugin.so")];
    // LuaJIT's is for the same scripts. It may be the only one of ours.
    names.extend((language == "lua").then(|| "nbdkit-script-luajit-plugin.so".into()));
    names.push(format!("nbdkit-{language}-plugin.so"));
    let installed = plugin_directory();
    let installed = names.iter().filter_map(|name| Some(installed.as_deref()?.join(name)));
    built.into_iter().chain(installed).collect()
}

/// The plugin directory, according to nbdkit itself, if nbdkit is installed.
fn plugin_directory() -> Option<PathBuf> {
    let said = process::Command::new("nbdkit").arg("--dump-config").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    said.lines().find_map(|line| line.strip_prefix("plugindir=")).map(PathBuf::from)
}

//! Completion by kubectl's own: it calls `kubectl_complete-bitbucket` with the words so far.
//! <https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/>

use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, Args, Command, CommandFactory, FromArgMatches};
use kube::ResourceExt;
use kube::api::ListParams;

use super::Plugin;
use super::cluster::ClusterArgs;
use super::shown::say;
use crate::cli::Failure;

const SCRIPT: &str = "#!/bin/sh
# kubectl completes its plugins by programs of this name, in bash, zsh, fish and PowerShell alike (`kubectl completion --help`).
# Put this into a file kubectl_complete-bitbucket on your PATH, and make it executable.
exec kubectl bitbucket __complete -- \"$@\"
";

/// Nobody waits longer for a suggestion.
const PATIENCE: Duration = Duration::from_secs(2);

/// What kubectl's completion (cobra) makes of what is printed: no names of files.
const NO_FILES: &str = ":4";
/// Names of files too.
const FILES: &str = ":0";

/// Says how completion is set up.
pub(super) fn set_up() -> Result<ExitCode, Failure> {
    say(SCRIPT)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what the last word may become.
pub(super) async fn complete(words: &[String]) -> Result<ExitCode, Failure> {
    let mut plugin = Plugin::command();
    plugin.build();
    let (last, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let (command, name_wanted) = place(&plugin, before);
    let mut found = Vec::new();
    if let Some(option) = before.last().and_then(|word| option(command, word)) {
        let files = option.get_value_names().is_some_and(|names| names.iter().any(|name| name == "FILE"));
        say(format!("{}\n", if files { FILES } else { NO_FILES }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if last.starts_with('-') {
        let options = command.get_arguments().filter(|option| !option.is_hide_set());
        found.extend(options.filter_map(|option| {
            Some((format!("--{}", option.get_long()?), option.get_help().map(ToString::to_string)))
        }));
    } else if name_wanted {
        found.extend(names(before).await.into_iter().map(|name| (name, None)));
    } else {
        let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
        found.extend(
            commands.map(|command| (command.get_name().to_owned(), command.get_about().map(ToString::to_string))),
        );
    }
    for (word, help) in found.iter().filter(|(word, _)| word.starts_with(last)) {
        say(help.as_ref().map_or_else(|| format!("{word}\n"), |help| format!("{word}\t{help}\n")))?;
    }
    say(format!("{NO_FILES}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The command that these words have come to, and whether the name of a connection comes next.
fn place<'a>(plugin: &'a Command, words: &[String]) -> (&'a Command, bool) {
    let mut words = words.iter();
    let mut command = plugin;
    while let Some(word) = words.next() {
        if option(command, word).is_some() {
            words.next();
        } else if let Some(found) = command.find_subcommand(word) {
            command = found;
        }
    }
    let takes_name = command.get_positionals().any(|one| matches!(one.get_id().as_str(), "name" | "names"));
    (command, takes_name && command.get_name() != "create")
}

/// The option that this word is, if its value comes next.
fn option<'a>(command: &'a Command, word: &str) -> Option<&'a clap::Arg> {
    let of = |option: &&clap::Arg| {
        let long = word.strip_prefix("--").is_some_and(|name| option.get_long() == Some(name));
        let short = word
            .strip_prefix('-')
            .is_some_and(|name| option.get_short().is_some_and(|short| name == short.to_string()));
        (long || short) && option.get_action().takes_values()
    };
    command.get_arguments().find(of)
}

/// The connections of the namespace; none, where they cannot be listed at once.
async fn names(words: &[String]) -> Vec<String> {
    // kubectl's own flags among the words say where; all others are passed over.
    let mut flags = ClusterArgs::augment_args(Command::new("kubectl").no_binary_name(true)).ignore_errors(true);
    flags = flags.arg(Arg::new("rest").num_args(0..));
    let listing = async {
        let found = flags.try_get_matches_from(words).ok()?;
        let connections = ClusterArgs::from_arg_matches(&found).ok()?.connect().await.ok()?.connections();
        let list = connections.list_metadata(&ListParams::default().limit(500)).await.ok()?;
        Some(list.items.iter().map(ResourceExt::name_any).collect())
    };
    tokio::time::timeout(PATIENCE, listing).await.ok().flatten().unwrap_or_default()
}

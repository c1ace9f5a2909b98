//! What a command finds in its environment.

use std::process::Command;

use lessor::Leadership;

use super::arguments::Arguments;
use super::systemd;

/// What the command fences its writes by. What systemd told this process is not for it.
pub(super) fn give(command: &mut Command, leadership: &Leadership, arguments: &Arguments) {
    for variable in systemd::VARIABLES {
        command.env_remove(variable);
    }
    command.env("LESSOR_KEY", &arguments.key).env("LESSOR_ID", arguments.id());
    command.env("LESSOR_TERM", leadership.term().to_string());
    match leadership.slot() {
        Some(slot) => command.env("LESSOR_SLOT", slot.to_string()),
        // That of another `lessor run`, around this one.
        None => command.env_remove("LESSOR_SLOT"),
    };
}

//! `p5-spy setup`: makes p5-spy a debugger to macOS.

use crate::platform::sign_as_debugger;
use crate::say::say;
use anyhow::Context;

pub fn run() -> anyhow::Result<u8> {
    let program = std::env::current_exe().context("where p5-spy itself is cannot be told")?;
    let program = program.canonicalize().unwrap_or(program);
    let shown = crate::text::from_utf8(program.as_os_str().as_encoded_bytes());
    sign_as_debugger(&program).with_context(|| format!("cannot sign {shown}"))?;
    say(format_args!(
        "Signed {shown} as a debugger (the entitlement com.apple.security.cs.debugger). macOS may ask \
         for your password when p5-spy attaches for the first time. After an update: p5-spy setup once \
         more."
    ));
    Ok(0)
}

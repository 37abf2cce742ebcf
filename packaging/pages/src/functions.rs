// SPDX-License-Identifier: MIT OR Apache-2.0
//! A man page for each function of the C library, from the header's own comments.

const HEADER: &str = include_str!("../../../capi/include/xskclient.h");

/// A function of the header: its comment, and its declaration.
struct Function<'a> {
    name: &'a str,
    about: String,
    declaration: String,
}

/// The pages of section 3, each with its name.
pub fn functions() -> Vec<(String, Vec<u8>)> {
    let page = |function: Function<'_>| {
        (format!("man/man3/{}.3", function.name), render(&function).into_bytes())
    };
    HEADER.split("/**\n").skip(1).filter_map(parse).map(page).collect()
}

/// A piece of the header that begins within a comment.
fn parse(piece: &str) -> Option<Function<'_>> {
    let (comment, code) = piece.split_once(" */\n")?;
    let (declaration, _) = code.split_once(";\n")?;
    let (head, _) = declaration.split_once('(')?;
    let name = head.rsplit([' ', '*']).next().filter(|name| name.starts_with("xskclient_"))?;
    let lines = comment.lines().map(|line| line.trim_start_matches(" *").trim_start());
    let about = lines.collect::<Vec<_>>().join("\n");
    let words: Vec<&str> = declaration.split_whitespace().collect();
    Some(Function { name, about, declaration: words.join(" ") })
}

fn render(function: &Function<'_>) -> String {
    let Function { name, about, declaration } = function;
    let sentence = about.split(['.', ':']).next().unwrap_or_default().replace('\n', " ");
    let (about, sentence) = (escaped(about).replace("\n\n", "\n.PP\n"), escaped(&sentence));
    format!(
        ".TH \"{name}\" \"3\" \"\" \"libxskclient {version}\" \"Library functions\"\n\
         .SH NAME\n{name} \\- {sentence}\n\
         .SH SYNOPSIS\n.nf\n#include <xskclient.h>\n.PP\n{declaration};\n.fi\n\
         .PP\nLink with \\fB\\-lxskclient\\fR.\n\
         .SH DESCRIPTION\n{about}\n\
         .SH NOTES\n\
         The function does not print, exit or abort, and any thread may call it. A function that\n\
         can fail returns \\-1 and puts an error where its argument \\fIerror\\fR points.\n\
         .SH SEE ALSO\n.BR xskclient_acquire (3), \n.BR xskclient_error_code (3), \n.BR xsk\\-client (1)\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

/// Text for roff: no line is a request, no hyphen or backslash is anything else.
fn escaped(text: &str) -> String {
    let plain = text.replace('\\', "\\\\").replace('-', "\\-").replace('`', "");
    let line = |line: &str| {
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
    };
    plain.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_a_page() {
        let list = include_str!("../../../capi/tests/symbols.txt");
        let pages = functions();
        let named: Vec<_> = list.lines().map(|name| format!("man/man3/{name}.3")).collect();
        let mut found: Vec<_> = pages.iter().map(|(path, _)| path.clone()).collect();
        found.sort();
        assert_eq!(found, named);
        for (path, page) in pages {
            let page = String::from_utf8(page).unwrap_or_default();
            let (_, about) = page.split_once(".SH DESCRIPTION\n").unwrap_or_default();
            assert!(about.len() > 20 && page.contains("#include <xskclient.h>"), "{path}: {page}");
        }
    }
}

//! What an error code of the server asks of us. Source of the codes: appendix A of the manual.

/// Who has to act on a failure, and whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is wrong with the request: reconnect and try again later.
    Later,
    /// The server cannot be reached: refused, unknown host, timed out, no agreement on TLS.
    Unreachable,
    /// User, password, database or the server's access rules say no.
    Credentials,
    /// A privilege is missing on one object.
    Permission,
    /// An object is missing or has another shape than expected.
    Structure,
    /// The value of one row does not fit; other rows do.
    Row,
    /// The server has no disk space left.
    DiskFull,
    /// Anything else: a fault of the server or of ours.
    Internal,
}

impl Failure {
    /// Sorts a five-character SQLSTATE.
    pub(crate) fn of_code(code: &str) -> Self {
        match code {
            "40001" | "40P01" | "55P03" | "25006" => return Self::Later,
            "53100" => return Self::DiskFull,
            "42501" => return Self::Permission,
            // A cached plan met a changed table, or a name another connection: a fresh statement
            // succeeds.
            "0A000" | "26000" | "42P05" => return Self::Later,
            _ => {}
        }
        match code.get(..2).unwrap_or_default() {
            "08" | "53" => Self::Later,
            "57" if code.starts_with("57P0") => Self::Later,
            "28" | "3D" => Self::Credentials,
            "42" | "3F" | "55" => Self::Structure,
            "21" | "22" | "23" | "54" => Self::Row,
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_who_has_to_act() {
        let table = [
            ("08006", Failure::Later),
            ("40001", Failure::Later),
            ("40P01", Failure::Later),
            ("53300", Failure::Later),
            ("53100", Failure::DiskFull),
            ("57P01", Failure::Later),
            ("57P03", Failure::Later),
            ("57014", Failure::Internal),
            ("55P03", Failure::Later),
            ("25006", Failure::Later),
            ("42P05", Failure::Later),
            ("28P01", Failure::Credentials),
            ("28000", Failure::Credentials),
            ("3D000", Failure::Credentials),
            ("42501", Failure::Permission),
            ("42P01", Failure::Structure),
            ("3F000", Failure::Structure),
            ("42703", Failure::Structure),
            ("22P02", Failure::Row),
            ("23514", Failure::Row),
            ("21000", Failure::Row),
            ("54000", Failure::Row),
            ("XX000", Failure::Internal),
            ("", Failure::Internal),
        ];
        for (code, failure) in table {
            assert_eq!(Failure::of_code(code), failure, "{code}");
        }
    }
}

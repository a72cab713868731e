internal import Glibc

/// The calls that change the store's files. Each fails as the system's do: with -1, and `errno`. Tests have others, which fail when
/// told to.
package struct FileCalls: Sendable {
    /// Makes a file that does not exist, mode 0600, for writing.
    package var create: @Sendable (_ path: String) -> Int32
    package var write: @Sendable (_ file: Int32, _ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int
    /// To the disk: contents and length.
    package var sync: @Sendable (_ file: Int32) -> Int32
    package var truncate: @Sendable (_ file: Int32, _ length: Int) -> Int32
    package var rename: @Sendable (_ from: String, _ to: String) -> Int32
    /// To the disk: which names a directory has for which files.
    package var syncDirectory: @Sendable (_ directory: Int32) -> Int32

    package static let system = FileCalls(
        create: { open($0, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) },
        write: { pwrite($0, $1.baseAddress, $1.count, off_t($2)) },
        sync: { fdatasync($0) },
        truncate: { ftruncate($0, off_t($1)) },
        rename: { Glibc.rename($0, $1) },
        syncDirectory: { fsync($0) })
}

/*
 * steps.c - counts the durable steps of a program, and spoils one of them.
 *
 * Preloaded (LD_PRELOAD=$BUILD/steps.so) into one real program by the tests
 * of crash/ and fault/; nothing else links it.  A step is a call of one of
 * the kinds of STEPS_OF on a file whose path matches STEPS_ON.  At the step
 * STEPS_AT it does what STEPS_DO says.  Tests read from STEPS_LOG what
 * happened: "fired N KIND PATH by PID", "counted N" when the program ended.
 *
 *   STEPS_ON    shell patterns with a colon between them
 *   STEPS_OF    open write sync truncate rename unlink (all when not set),
 *               read; alloc, memory asked for by SQLite; send, a page of
 *               records on a socket, whose path is the name of its stream
 *   STEPS_HAS   a write counts when these bytes are in it
 *   STEPS_AT    which step, 0 for none
 *   STEPS_DO    kill, kill-half (a write loses its end), kill-after, stop
 *               (SIGSTOP), hang (this thread alone, for ever), short (a
 *               write takes half), or an errno's name
 *   STEPS_MORE  set: every later step fails too
 *   STEPS_ONCE  set: nothing happens any more once STEPS_LOG is there
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 1024

/* Their 64-bit names are no functions of their own in the headers. */
int zmq_send(void *socket, const void *bytes, size_t len, int flags);

enum kind {
	OPEN,
	WRITE,
	SYNC,
	TRUNCATE,
	RENAME,
	UNLINK,
	READ,
	ALLOC,
	SEND,
	KINDS
};

static const char *const kind_names[KINDS] = { "open", "write", "sync",
	"truncate", "rename", "unlink", "read", "alloc", "send" };

static const struct {
	const char *name;
	int value;
} errors[] = { { "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EROFS", EROFS },
	{ "EDQUOT", EDQUOT }, { "EACCES", EACCES }, { "ENOMEM", ENOMEM } };

enum verdict { GO, FAIL, SHORT, KILL_HALF, KILL_AFTER };

static struct {
	bool ready;
	const char *on, *log, *how, *has; /* borrowed from the environment */
	bool of[KINDS], more, once;
	long at, count;
	int error;
	uintptr_t low, high; /* the code of SQLite */
} plan;

static char *watched[FDS]; /* owned: the path of a descriptor that counts */

/* The function that this library stands in front of. */
static void *
next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static int
find_sqlite(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (strstr(info->dlpi_name, "libsqlite3") == NULL)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
			plan.low = info->dlpi_addr + p->p_vaddr;
			plan.high = plan.low + p->p_memsz;
		}
	}
	return 1;
}

static bool
has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; p != NULL; p = strchr(p, ' ')) {
		p += strspn(p, " ");
		if (strncmp(p, word, len) == 0 &&
		    (p[len] == ' ' || p[len] == '\0'))
			return true;
	}
	return false;
}

static void
prepare(void)
{
	const char *of = getenv("STEPS_OF"), *at = getenv("STEPS_AT");

	/* ASan begins before there is an environment. */
	if (plan.ready || environ == NULL)
		return;
	plan.ready = true;
	plan.on = getenv("STEPS_ON");
	plan.log = getenv("STEPS_LOG");
	plan.how = getenv("STEPS_DO");
	plan.has = getenv("STEPS_HAS");
	plan.more = getenv("STEPS_MORE") != NULL;
	plan.at = at != NULL ? strtol(at, NULL, 10) : 0;
	plan.once = getenv("STEPS_ONCE") != NULL;
	for (int i = 0; i < KINDS; i++)
		plan.of[i] =
		    of != NULL ? has_word(of, kind_names[i]) : i < READ;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (plan.how != NULL && strcmp(plan.how, errors[i].name) == 0)
			plan.error = errors[i].value;
	if (plan.of[ALLOC])
		dl_iterate_phdr(find_sqlite, NULL);
}

__attribute__((format(printf, 1, 2))) static void
note(const char *fmt, ...)
{
	int (*real)(const char *, int, ...) =
	    (int (*)(const char *, int, ...))next("open");
	ssize_t (*put)(int, const void *, size_t) =
	    (ssize_t(*)(int, const void *, size_t))next("write");
	char line[512];
	va_list ap;
	int fd, n;

	if (plan.log == NULL)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fd = real(plan.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || n < 0 || put(fd, line, (size_t)n) != n)
		abort();
	close(fd);
}

__attribute__((destructor)) static void
tell(void)
{
	if (plan.count > 0)
		note("counted %ld\n", plan.count);
}

static bool
matches(const char *path)
{
	const char *p = plan.on;
	char pattern[256];

	while (p != NULL && *p != '\0') {
		size_t len = strcspn(p, ":");

		snprintf(pattern, sizeof(pattern), "%.*s", (int)len, p);
		if (fnmatch(pattern, path, 0) == 0)
			return true;
		p += len + (p[len] == ':');
	}
	return false;
}

_Noreturn static void
hang_here(void)
{
	for (;;)
		pause();
}

_Noreturn static void
die_here(void)
{
	kill(getpid(), SIGKILL);
	hang_here();
}

/* One more step of this kind: what is to become of it? */
static enum verdict
step(enum kind kind, const char *path)
{
	prepare();
	if (!plan.of[kind])
		return GO;
	plan.count++;
	if (plan.at == 0 || plan.how == NULL || plan.count < plan.at ||
	    (plan.count > plan.at && !plan.more))
		return GO;
	if (plan.once && access(plan.log, F_OK) == 0)
		return GO;
	if (plan.count == plan.at)
		note("fired %ld %s %s by %d\n", plan.count, kind_names[kind],
		    path, (int)getpid());
	if (plan.error != 0)
		return FAIL;
	if (strcmp(plan.how, "kill-after") == 0)
		return KILL_AFTER;
	if (strcmp(plan.how, "kill-half") == 0)
		return KILL_HALF;
	if (strcmp(plan.how, "short") == 0)
		return SHORT;
	if (strcmp(plan.how, "hang") == 0)
		hang_here();
	if (strcmp(plan.how, "stop") != 0)
		die_here();
	raise(SIGSTOP);
	return GO;
}

static int
refuse(void)
{
	errno = plan.error;
	return -1;
}

static const char *
path_of(int fd)
{
	return fd >= 0 && fd < FDS ? watched[fd] : NULL;
}

/* A step without a size: it happens, or not. */
static int
after(enum verdict v, int result)
{
	if (v == KILL_AFTER || v == KILL_HALF)
		die_here();
	return result;
}

/* A write of these bytes. */
static enum verdict
write_step(int fd, const void *bytes, size_t len)
{
	const char *path = path_of(fd);

	prepare();
	if (path == NULL || (plan.has != NULL && memmem(bytes, len, plan.has,
						     strlen(plan.has)) == NULL))
		return GO;
	return step(WRITE, path);
}

/* How much of a write happens. */
static size_t
share(enum verdict v, size_t len)
{
	return (v == SHORT || v == KILL_HALF) && len > 1 ? len / 2 : len;
}

static ssize_t
after_write(enum verdict v, ssize_t n)
{
	if (v == KILL_AFTER || v == KILL_HALF)
		die_here();
	return n;
}

static int
opened(int fd, const char *path)
{
	if (fd >= 0 && fd < FDS) {
		free(watched[fd]);
		watched[fd] = strdup(path);
	}
	return fd;
}

static int
open_step(int folder, const char *path, int flags, mode_t mode)
{
	int (*real)(int, const char *, int, ...) =
	    (int (*)(int, const char *, int, ...))next("openat64");
	enum verdict v = GO;

	prepare();
	if (!matches(path))
		return real(folder, path, flags, mode);
	if ((flags & O_ACCMODE) != O_RDONLY)
		v = step(OPEN, path);
	if (v == FAIL)
		return refuse();
	return after(v, opened(real(folder, path, flags, mode), path));
}

#define OPENER(name, head, folder)                           \
	int name head;                                       \
	int name head                                        \
	{                                                    \
		mode_t mode = 0;                             \
		va_list ap;                                  \
                                                             \
		va_start(ap, flags);                         \
		if ((flags & (O_CREAT | O_TMPFILE)) != 0)    \
			mode = va_arg(ap, mode_t);           \
		va_end(ap);                                  \
		return open_step(folder, path, flags, mode); \
	}

OPENER(open, (const char *path, int flags, ...), AT_FDCWD)
OPENER(open64, (const char *path, int flags, ...), AT_FDCWD)
OPENER(openat, (int dir, const char *path, int flags, ...), dir)
OPENER(openat64, (int dir, const char *path, int flags, ...), dir)

int
close(int fd)
{
	if (fd >= 0 && fd < FDS) {
		free(watched[fd]);
		watched[fd] = NULL;
	}
	return ((int (*)(int))next("close"))(fd);
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	ssize_t (*real)(int, const void *, size_t) =
	    (ssize_t(*)(int, const void *, size_t))next("write");
	enum verdict v = write_step(fd, bytes, len);

	if (v == FAIL)
		return refuse();
	return after_write(v, real(fd, bytes, share(v, len)));
}

static ssize_t
pwrite_step(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t (*real)(int, const void *, size_t, off_t) =
	    (ssize_t(*)(int, const void *, size_t, off_t))next("pwrite64");
	enum verdict v = write_step(fd, bytes, len);

	if (v == FAIL)
		return refuse();
	return after_write(v, real(fd, bytes, share(v, len), at));
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	return pwrite_step(fd, bytes, len, at);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
	return pwrite_step(fd, bytes, len, at);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	ssize_t (*real)(int, const struct iovec *, int) =
	    (ssize_t(*)(int, const struct iovec *, int))next("writev");
	const char *path = path_of(fd);
	enum verdict how = path != NULL ? step(WRITE, path) : GO;

	if (how == FAIL)
		return refuse();
	if (n > 1 && (how == SHORT || how == KILL_HALF))
		n = 1;
	return after_write(how, real(fd, v, n));
}

static int
sync_step(const char *name, int fd)
{
	const char *path = path_of(fd);
	enum verdict v = path != NULL ? step(SYNC, path) : GO;

	if (v == FAIL)
		return refuse();
	return after(v, ((int (*)(int))next(name))(fd));
}

int
fsync(int fd)
{
	return sync_step("fsync", fd);
}

int
fdatasync(int fd)
{
	return sync_step("fdatasync", fd);
}

static int
truncate_step(int fd, off_t len)
{
	const char *path = path_of(fd);
	enum verdict v = path != NULL ? step(TRUNCATE, path) : GO;

	if (v == FAIL)
		return refuse();
	return after(v, ((int (*)(int, off_t))next("ftruncate64"))(fd, len));
}

int
ftruncate(int fd, off_t len)
{
	return truncate_step(fd, len);
}

int
ftruncate64(int fd, off_t len)
{
	return truncate_step(fd, len);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	int (*real)(int, const char *, int, const char *) =
	    (int (*)(int, const char *, int, const char *))next("renameat");
	enum verdict v;

	prepare();
	v = matches(to) ? step(RENAME, to) : GO;
	if (v == FAIL)
		return refuse();
	return after(v, real(from_dir, from, to_dir, to));
}

int
rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int
unlinkat(int dir, const char *path, int flags)
{
	enum verdict v;

	prepare();
	v = matches(path) ? step(UNLINK, path) : GO;
	if (v == FAIL)
		return refuse();
	return after(v, ((int (*)(int, const char *, int))next("unlinkat"))(
			    dir, path, flags));
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

ssize_t
read(int fd, void *bytes, size_t len)
{
	const char *path = path_of(fd);

	if (path != NULL && step(READ, path) == FAIL)
		return refuse();
	return ((ssize_t(*)(int, void *, size_t))next("read"))(fd, bytes, len);
}

static ssize_t
pread_step(int fd, void *bytes, size_t len, off_t at)
{
	const char *path = path_of(fd);

	if (path != NULL && step(READ, path) == FAIL)
		return refuse();
	return ((ssize_t(*)(int, void *, size_t, off_t))next("pread64"))(
	    fd, bytes, len, at);
}

ssize_t
pread(int fd, void *bytes, size_t len, off_t at)
{
	return pread_step(fd, bytes, len, at);
}

ssize_t
pread64(int fd, void *bytes, size_t len, off_t at)
{
	return pread_step(fd, bytes, len, at);
}

/* The stream of a page of records, "" when the message is none. */
static const char *
stream_of(const char *text, size_t len, char stream[64])
{
	static const char page[] = "{\"v\":1,\"kind\":\"records\"",
			  key[] = "\"stream\":\"";
	const char *at;

	stream[0] = '\0';
	if (len < sizeof(page) || memcmp(text, page, sizeof(page) - 1) != 0)
		return stream;
	at = memmem(text, len, key, sizeof(key) - 1);
	if (at != NULL)
		sscanf(at + sizeof(key) - 1, "%63[A-Za-z]", stream);
	return stream;
}

int
zmq_send(void *socket, const void *bytes, size_t len, int flags)
{
	int (*real)(void *, const void *, size_t, int) =
	    (int (*)(void *, const void *, size_t, int))next("zmq_send");
	char stream[64];

	prepare();
	if (plan.of[SEND] && *stream_of(bytes, len, stream) != '\0' &&
	    matches(stream))
		(void)step(SEND, stream);
	return real(socket, bytes, len, flags);
}

/* Did SQLite ask for memory, and is it to have none? */
static bool
starved(const void *caller)
{
	prepare();
	if (!plan.of[ALLOC] || (uintptr_t)caller < plan.low ||
	    (uintptr_t)caller >= plan.high)
		return false;
	if (step(ALLOC, "memory") != FAIL)
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	static void *(*real)(size_t);

	if (real == NULL)
		real = (void *(*)(size_t))next("malloc");
	return starved(__builtin_return_address(0)) ? NULL : real(size);
}

void *
realloc(void *old, size_t size)
{
	static void *(*real)(void *, size_t);

	if (real == NULL)
		real = (void *(*)(void *, size_t))next("realloc");
	return starved(__builtin_return_address(0)) ? NULL : real(old, size);
}

void *
calloc(size_t n, size_t size)
{
	static void *(*real)(size_t, size_t);
	static bool looking;

	/* dlsym() itself may ask; it does well without. */
	if (real == NULL && looking)
		return NULL;
	looking = true;
	if (real == NULL)
		real = (void *(*)(size_t, size_t))next("calloc");
	return starved(__builtin_return_address(0)) ? NULL : real(n, size);
}

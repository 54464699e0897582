/* A gateway in one file: samples from standard input, or a made ECG, go to an engine. It needs libzmq and nothing else.

     cc -std=c11 -Wall -Wextra -O2 -o gateway gateway.c -lzmq -lm

     ./gateway --rate 250 home/p17/chest/ecg < samples.csv
     ./gateway --play 60 home/p17/chest/ecg

   A line of the input is a sample: a number for each channel, separated by commas; what is no number is missing. A
   first line of names is skipped. It is written from docs/protocol.md alone; words in quotes are headings of that page.
   What it may do and leaves out: many streams, a spool on disk, live_first, HELLO, PING. */

#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { HEADER = 64, ACKNOWLEDGEMENT = 40, MAX_RECORD = 262144, MAX_CHANNELS = 64 };
enum { DATA = 1, GAP = 2, END = 3 };            /* kinds of records */
enum { F32 = 3, RESEND = 16 };                  /* their dtype, and a flag */
enum { BAD_FRAME = 1, NOT_OPEN = 2, STALE_SESSION = 3, SEQ_GAP = 4, NO_CREDIT = 5, FORBIDDEN = 7, STORAGE = 11,
       FULL = 34, NOT_NOW = 10, NOT_NOW_LAST = 31 };
enum { SILENCE_MS = 1000, AWAY_MS = 5000 };

typedef struct {
    uint64_t index;                             /* of its first sample */
    int64_t t0_ns;
    uint32_t n;                                 /* samples that it holds, or that are lost if it is a GAP */
    uint8_t kind;
    bool sent;
    float *values;                              /* [n][n_channels] */
} record;

/* what was asked for */
static const char *key, *endpoint = "tcp://127.0.0.1:7401", *kind = "ecg", *unit = "mV", *labels = "";
static const char *level = "received", *server_key, *secret_file;
static uint64_t rate[2] = {250, 1};
static unsigned chunk, n_channels = 1;
static double play_s;
static int64_t first_ns;                        /* time of sample 0; 0: samples are stamped as they come */

/* the spool: records first to next - 1 are not acknowledged, those below unsent have been sent */
static record *spool;
static uint64_t room = 4096, first, unsent, next;
static float *filling;                          /* samples of the record that is not full yet */
static uint32_t n_filling;
static uint64_t n_samples;

/* the connection */
static void *context, *sock;
static uint64_t session;
static uint32_t handle;                         /* 0: the stream is not open */
static uint32_t credit_records, credit_bytes;
static int64_t ask_ms, heard_ms;                /* when to OPEN again, when it was heard last or an answer became due */
static bool away;                               /* where a REDIRECT has sent it */
static uint64_t refused_seq;
static int refusals;

static uint64_t n_sent, n_resent, n_lost;
static volatile sig_atomic_t stopped;

static void stop(int number) { (void)number; stopped = 1; }

static void give_up(const char *what, const char *why) {
    fprintf(stderr, "gateway: %s%s%s\n", what, *why ? ": " : "", why);
    exit(1);
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now_ms(void) { return clock_ns(CLOCK_MONOTONIC) / 1000000; }

static int64_t samples_ns(uint64_t n) { return (int64_t)((double)n * 1e9 * (double)rate[1] / (double)rate[0]); }

/* ---- bytes: little-endian numbers, CRC-32, and as much msgpack as the control maps need ---- */

static void put(uint8_t *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static uint32_t crc32(uint32_t crc, const uint8_t *data, size_t size) { /* as zlib has it; begin with 0 */
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ 0xEDB88320u : c >> 1;
            table[i] = c;
        }
    crc = ~crc;
    while (size--) crc = crc >> 8 ^ table[(crc ^ *data++) & 0xFF];
    return ~crc;
}

typedef struct { uint8_t bytes[4096]; size_t n; } writer;

static void add(writer *w, uint8_t head, uint64_t value, int bytes) { /* msgpack is big-endian */
    if (w->n + 9 > sizeof w->bytes) give_up("the labels are too long", "");
    w->bytes[w->n++] = head;
    while (bytes--) w->bytes[w->n++] = (uint8_t)(value >> 8 * bytes);
}

static void add_map(writer *w, unsigned n) { add(w, (uint8_t)(0x80 | n), 0, 0); }      /* up to 15 */
static void add_array(writer *w, unsigned n) { add(w, 0xDC, n, 2); }
static void add_number(writer *w, uint64_t value) { add(w, 0xCF, value, 8); }

static void add_text(writer *w, const char *text, size_t n) {
    if (n > 255 || w->n + n + 2 > sizeof w->bytes) give_up("too long", text);
    add(w, 0xD9, n, 1);
    memcpy(w->bytes + w->n, text, n);
    w->n += n;
}

static void add_field(writer *w, const char *name, const char *text) {
    add_text(w, name, strlen(name));
    add_text(w, text, strlen(text));
}

typedef struct { const uint8_t *at, *end; } reader;

typedef struct {
    enum { NOTHING, NUMBER, TEXT, ARRAY, MAP, OTHER } is;
    uint64_t number;                            /* the value; of a text its length, of others how many follow */
    const uint8_t *text;
} value;

static value take(reader *r) { /* the next value; of an array or a map only how many follow */
    static const struct { uint8_t head, is, bytes, skip; } kinds[] = {
        {0xC0, OTHER, 0, 0}, {0xC2, OTHER, 0, 0}, {0xC3, OTHER, 0, 0}, {0xCA, OTHER, 0, 4}, {0xCB, OTHER, 0, 8},
        {0xCC, NUMBER, 1, 0}, {0xCD, NUMBER, 2, 0}, {0xCE, NUMBER, 4, 0}, {0xCF, NUMBER, 8, 0},
        {0xD0, OTHER, 0, 1}, {0xD1, OTHER, 0, 2}, {0xD2, OTHER, 0, 4}, {0xD3, OTHER, 0, 8},
        {0xD9, TEXT, 1, 0}, {0xDA, TEXT, 2, 0}, {0xDB, TEXT, 4, 0},
        {0xDC, ARRAY, 2, 0}, {0xDD, ARRAY, 4, 0}, {0xDE, MAP, 2, 0}, {0xDF, MAP, 4, 0}};
    value v = {NOTHING, 0, NULL};
    if (r->at >= r->end) return v;
    uint8_t head = *r->at++;
    if (head < 0x80) { v.is = NUMBER; v.number = head; return v; }
    if (head >= 0xE0) { v.is = OTHER; return v; }
    if (head < 0x90) { v.is = MAP; v.number = head & 15; return v; }
    if (head < 0xA0) { v.is = ARRAY; v.number = head & 15; return v; }
    if (head < 0xC0) { v.is = TEXT; v.number = head & 31; }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].head == head && r->end - r->at >= kinds[i].bytes + kinds[i].skip) {
            v.is = kinds[i].is;
            for (int b = 0; b < kinds[i].bytes; b++) v.number = v.number << 8 | *r->at++;
            r->at += kinds[i].skip;
        }
    if (v.is == TEXT) {
        if ((uint64_t)(r->end - r->at) < v.number) { v.is = NOTHING; return v; }
        v.text = r->at;
        r->at += v.number;
    }
    return v;
}

static reader field(const uint8_t *message, size_t size, const char *name) { /* a reader that stands before its value */
    reader r = {message, message + size}, none = {NULL, NULL};
    value map = take(&r);
    for (uint64_t i = 0; map.is == MAP && i < map.number; i++) {
        value k = take(&r);
        if (k.is != TEXT) return none;
        if (k.number == strlen(name) && !memcmp(k.text, name, k.number)) return r;
        for (uint64_t left = 1; left; left--) {
            value v = take(&r);
            if (v.is == NOTHING) return none;
            if (v.is == ARRAY) left += v.number;
            if (v.is == MAP) left += 2 * v.number;
        }
    }
    return none;
}

static uint64_t number_of(const uint8_t *message, size_t size, const char *name) {
    reader r = field(message, size, name);
    value v = take(&r);
    return v.is == NUMBER ? v.number : 0;
}

static const char *text_of(const uint8_t *message, size_t size, const char *name) { /* "" if there is none */
    static char kept[4][513];
    static unsigned turn;
    char *out = kept[turn++ % 4];
    reader r = field(message, size, name);
    value v = take(&r);
    size_t n = v.is == TEXT && v.number < sizeof kept[0] ? v.number : 0;
    if (n) memcpy(out, v.text, n);
    out[n] = 0;
    return out;
}

/* ---- the connection ---- */

static void set_text(int option, const char *text) {
    if (zmq_setsockopt(sock, option, text, strlen(text))) give_up("a key is wrong", zmq_strerror(zmq_errno()));
}

static void set_number(int option, int number) { zmq_setsockopt(sock, option, &number, sizeof number); }

static void use_keys(void) { /* "Security": the engine's public key and our own pair */
    char line[256], secret[41] = "", public[41];
    FILE *file = fopen(secret_file, "r");
    if (!file) give_up(secret_file, strerror(errno));
    while (fgets(line, sizeof line, file)) sscanf(line, "secret = \"%40[^\"]\"", secret);
    fclose(file);
    if (zmq_curve_public(public, secret)) give_up(secret_file, "holds no line secret = \"...\" of 40 characters");
    set_text(ZMQ_CURVE_SERVERKEY, server_key);
    set_text(ZMQ_CURVE_PUBLICKEY, public);
    set_text(ZMQ_CURVE_SECRETKEY, secret);
}

static void go_to(const char *where) { /* a new connection: what belonged to the one before is gone */
    if (sock) zmq_close(sock);
    sock = zmq_socket(context, ZMQ_DEALER);
    set_number(ZMQ_LINGER, 0);
    set_number(ZMQ_IMMEDIATE, 1);               /* the spool is the queue */
    set_number(ZMQ_SNDHWM, 0);                  /* credit is the bound */
    set_number(ZMQ_RECONNECT_IVL, 50);
    set_number(ZMQ_RECONNECT_IVL_MAX, 2000);
    set_number(ZMQ_HEARTBEAT_IVL, 1000);
    set_number(ZMQ_HEARTBEAT_TIMEOUT, 3000);
    if (secret_file) use_keys();
    if (zmq_connect(sock, where)) give_up(where, zmq_strerror(zmq_errno()));
    handle = 0;
    ask_ms = 0;
}

static void ask(int64_t now) { /* "OPEN" */
    writer w = {.n = 0};
    add_map(&w, 11);
    add_field(&w, "type", "OPEN");
    add_field(&w, "key", key);
    add_field(&w, "kind", kind);
    add_field(&w, "dtype", "f32");
    add_field(&w, "ack", level);
    add_field(&w, "clock", "CLOCK_REALTIME");
    add_text(&w, "session", 7);
    add_number(&w, session);
    add_text(&w, "rate", 4);
    add_array(&w, 2);
    add_number(&w, rate[0]);
    add_number(&w, rate[1]);
    add_text(&w, "channels", 8);
    add_array(&w, n_channels);
    const char *label = labels;
    for (unsigned i = 0; i < n_channels; i++) {
        size_t n = strcspn(label, ",");
        add_map(&w, 2);
        add_field(&w, "unit", unit);
        add_text(&w, "label", 5);
        add_text(&w, label, n);
        label += n + (label[n] == ',');
    }
    add_text(&w, "first_seq", 9);
    add_number(&w, first);
    add_text(&w, "first_index", 11);
    add_number(&w, first < next ? spool[first % room].index : n_samples - n_filling);
    handle = 0;
    /* where nobody is connected it is tried again soon; "Rules" 7: a thousand gateways don't ask at once */
    ask_ms = now + (zmq_send(sock, w.bytes, w.n, ZMQ_DONTWAIT) < 0 ? 50 : SILENCE_MS / 2 + rand() % SILENCE_MS);
}

static uint32_t spelled(const record *r) { /* bytes of a record, padding included */
    uint32_t payload = r->kind == DATA ? r->n * n_channels * 4 : 0;
    return HEADER + ((payload + 7) & ~7u);
}

static bool post(uint64_t seq) { /* "Records" */
    static uint8_t bytes[MAX_RECORD + 8];
    record *r = &spool[seq % room];
    uint32_t payload = r->kind == DATA ? r->n * n_channels * 4 : 0, size = spelled(r);
    memset(bytes, 0, size);
    memcpy(bytes, "VCD1", 4);
    bytes[4] = r->kind;
    bytes[5] = r->sent ? RESEND : 0;
    put(bytes + 6, HEADER, 2);
    put(bytes + 8, session, 8);
    put(bytes + 16, handle, 4);
    put(bytes + 20, r->kind == DATA ? r->n : 0, 4);
    put(bytes + 24, seq, 8);
    put(bytes + 32, r->kind == GAP ? r->index + r->n : r->index, 8);
    put(bytes + 40, (uint64_t)r->t0_ns, 8);
    put(bytes + 48, n_channels, 2);
    bytes[50] = F32;
    put(bytes + 52, payload, 4);
    for (uint32_t i = 0; i < payload / 4; i++) {
        uint32_t bits;
        memcpy(&bits, &r->values[i], 4);
        put(bytes + HEADER + 4 * i, bits, 4);
    }
    put(bytes + 56, crc32(crc32(0, bytes, 56), bytes + HEADER, payload), 4);
    if (zmq_send(sock, bytes, size, ZMQ_DONTWAIT) < 0) return false;
    n_sent++;
    n_resent += r->sent;
    r->sent = true;
    return true;
}

static void send_what_may_go(void) { /* "Rules" 3: credit */
    uint64_t under_way = 0;
    for (uint64_t seq = first; seq < unsent; seq++) under_way += spelled(&spool[seq % room]);
    while (handle && unsent < next && unsent - first < credit_records) {
        under_way += spelled(&spool[unsent % room]);
        if (under_way > credit_bytes || !post(unsent)) return;
        unsent++;
    }
}

static void held_below(uint64_t seq) { /* the engine has everything below it */
    if (seq > first) first = seq < next ? seq : next;
    if (unsent < first) unsent = first;
}

static void replace_with_gap(uint64_t seq) {
    record *r = &spool[seq % room];
    if (r->kind != DATA) return;
    r->kind = GAP;
    n_lost += r->n;
}

static void hear_acknowledgement(const uint8_t *at, int64_t now) {
    uint8_t code = at[5];
    uint64_t next_seq = get(at + 24, 8);
    if (get(at + 8, 8) != session || !handle || get(at + 16, 4) != handle) return; /* of an earlier OPEN */
    heard_ms = now;
    if (code == NOT_OPEN) { ask(now); return; }
    if (code == STALE_SESSION) give_up(key, "a newer producer has taken over");
    if (code == FORBIDDEN) give_up(key, "this client may not write it");
    held_below(next_seq);
    credit_records = (uint32_t)get(at + 20, 4);
    credit_bytes = (uint32_t)get(at + 32, 4);
    if (code == 0 || code == STORAGE) return;   /* ACK; STORAGE in one says that the engine's disk refuses */
    if (code >= NOT_NOW) { handle = 0; ask_ms = now + SILENCE_MS; return; }
    unsent = first;                             /* the others say what is expected next: go back to it */
    if (code == SEQ_GAP || code == NO_CREDIT || first == next) return;
    refusals = refused_seq == first ? refusals + 1 : 1;
    refused_seq = first;
    if (code != BAD_FRAME || refusals >= 3) replace_with_gap(first);
}

static void hear_map(const uint8_t *message, size_t size, int64_t now) {
    const char *type = text_of(message, size, "type");
    if (strcmp(text_of(message, size, "key"), key)) return;
    if (!strcmp(type, "OPEN_OK") && number_of(message, size, "session") == session) {
        uint64_t next_seq = number_of(message, size, "next_seq");
        reader credit = field(message, size, "credit");
        take(&credit);
        credit_records = (uint32_t)take(&credit).number;
        credit_bytes = (uint32_t)take(&credit).number;
        handle = (uint32_t)number_of(message, size, "stream");
        heard_ms = now;
        held_below(next_seq);
        unsent = first;
        if (next_seq < first) ask(now);         /* that was lost here after OPEN was sent: name what is oldest now */
        if (strcmp(text_of(message, size, "ack"), level))
            fprintf(stderr, "gateway: an acknowledgement means %s\n", text_of(message, size, "ack"));
    } else if (!strcmp(type, "ERR")) {
        uint64_t code = number_of(message, size, "code");
        if (code != FULL && (code < NOT_NOW || code > NOT_NOW_LAST)) give_up(key, text_of(message, size, "message"));
    } else if (!strcmp(type, "REDIRECT")) {
        go_to(text_of(message, size, "endpoint"));
        heard_ms = now;
        away = true;
    }
}

static void hear(int64_t now) {
    uint8_t message[65536];
    void *heard_on = sock;
    int size;
    while (sock == heard_on && (size = zmq_recv(sock, message, sizeof message, ZMQ_DONTWAIT)) >= 0) {
        if (size > (int)sizeof message) continue;
        if (size && message[0] != 'V') hear_map(message, (size_t)size, now);
        for (int at = 0; size - at >= ACKNOWLEDGEMENT && !memcmp(message + at, "VCA1", 4);) {
            int length = (int)get(message + at + 6, 2);
            if (length < ACKNOWLEDGEMENT) break;
            hear_acknowledgement(message + at, now);
            at += length;
        }
    }
}

/* ---- samples ---- */

static void lose_oldest(void) { /* "Rules" 9: a GAP with the number of the last record that is lost stands for all */
    uint64_t begins = spool[first % room].index;
    replace_with_gap(first++);
    replace_with_gap(first);
    record *r = &spool[first % room];
    r->n += (uint32_t)(r->index - begins);
    r->index = begins;
    if (unsent < first) unsent = first;
    handle = 0;                                 /* OPEN tells the engine what to go on with */
}

static record *new_record(uint8_t record_kind) {
    if (next - first == room) lose_oldest();
    if (next == first) heard_ms = now_ms();     /* an answer is due from now on */
    record *r = &spool[next++ % room];
    r->kind = record_kind;
    r->sent = false;
    return r;
}

static void close_record(void) {
    record *r = new_record(DATA);
    r->n = n_filling;
    r->index = n_samples - n_filling;
    r->t0_ns = first_ns ? first_ns + samples_ns(r->index) : clock_ns(CLOCK_REALTIME) - samples_ns(n_filling - 1);
    memcpy(r->values, filling, (size_t)n_filling * n_channels * sizeof *filling);
    n_filling = 0;
}

static void add_sample(const float *sample) {
    memcpy(filling + (size_t)n_filling++ * n_channels, sample, n_channels * sizeof *sample);
    n_samples++;
    if (n_filling == chunk) close_record();
}

static void end(void) {
    if (n_filling) close_record();
    record *r = new_record(END);
    r->index = n_samples;
    r->t0_ns = r->n = 0;
}

static void play(int64_t begun_ns) { /* P, QRS and T, 72 a minute, each a bell: [s, mV, width in s] */
    static const double bells[][3] = {
        {0.2, 0.1, 0.02}, {0.35, -0.1, 0.01}, {0.375, 1.2, 0.01}, {0.4, -0.2, 0.01}, {0.6, 0.3, 0.04}};
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC) - begun_ns;
    while (samples_ns(n_samples) <= now_ns && samples_ns(n_samples) < play_s * 1e9) {
        double t = fmod((double)samples_ns(n_samples) / 1e9, 60.0 / 72), sample = 0;
        for (size_t i = 0; i < sizeof bells / sizeof *bells; i++)
            sample += bells[i][1] * exp(-0.5 * pow((t - bells[i][0]) / bells[i][2], 2));
        float each[MAX_CHANNELS];
        for (unsigned c = 0; c < n_channels; c++) each[c] = (float)sample;
        add_sample(each);
    }
}

static char text[65537];                        /* of the input that is no sample yet, and room for a 0 behind it */
static size_t n_text;

static void read_line(char *line) {
    float sample[MAX_CHANNELS];
    bool any = false;
    for (unsigned i = 0; i < n_channels; i++) {
        char *after = line;
        sample[i] = strtof(line, &after);
        if (after == line) sample[i] = NAN;
        any |= after != line;
        line += strcspn(line, ",");
        line += *line == ',';
    }
    if (any || n_samples) add_sample(sample);   /* a first line without a number holds names */
}

static void read_lines(void) { /* as many as the spool has room for */
    char *line = text, *stop_at;
    while (next - first + 1 < room && (stop_at = memchr(line, '\n', n_text - (size_t)(line - text)))) {
        *stop_at = 0;
        read_line(line);
        line = stop_at + 1;
    }
    n_text -= (size_t)(line - text);
    memmove(text, line, n_text);
    if (n_text == sizeof text - 1 && !memchr(text, '\n', n_text)) give_up("a line of the input is too long", "");
}

static bool read_input(void) { /* tell whether there can be more */
    ssize_t n = read(STDIN_FILENO, text + n_text, sizeof text - 1 - n_text);
    if (n > 0) n_text += (size_t)n;
    return n > 0 || (n < 0 && errno == EINTR);
}

static void run(void) {
    int64_t begun_ns = clock_ns(CLOCK_MONOTONIC);
    bool ended = false, more = play_s == 0;
    while (!ended || first < next) {
        int64_t now = now_ms();
        if (away && (!handle || first < next) && now - heard_ms > AWAY_MS) { go_to(endpoint); away = false; }
        bool silent = handle && first < next && now - heard_ms > SILENCE_MS;
        if (silent || (!handle && now >= ask_ms)) ask(now);
        if (play_s > 0 && !ended) play(begun_ns);
        read_lines();
        bool lines_left = memchr(text, '\n', n_text), has_room = next - first + 1 < room;
        bool over = play_s > 0 ? samples_ns(n_samples) >= play_s * 1e9 : !more && !lines_left;
        if (!ended && (stopped || over) && has_room) {
            text[n_text] = 0;
            if (n_text && !lines_left && !stopped) read_line(text); /* a last line without its end */
            if (next - first + 1 < room) { end(); ended = true; }
            n_text = 0;
        }
        send_what_may_go();
        zmq_pollitem_t items[2] = {{sock, 0, ZMQ_POLLIN, 0}, {NULL, STDIN_FILENO, ZMQ_POLLIN, 0}};
        bool reads = more && !ended && has_room && !lines_left;
        if (zmq_poll(items, reads ? 2 : 1, lines_left && has_room ? 0 : 10) < 0 && zmq_errno() != EINTR)
            give_up("can't wait", zmq_strerror(zmq_errno()));
        if (items[0].revents) hear(now_ms());
        if (reads && items[1].revents) more = read_input();
    }
}

static const char *usage =
    "usage: gateway [--endpoint tcp://HOST:PORT] [--kind ecg] [--rate NUM[/DEN]] [--labels II,V5] [--unit mV]\n"
    "               [--chunk SAMPLES] [--spool RECORDS] [--ack received|journaled|fsynced] [--t0 NS] [--play SECONDS]\n"
    "               [--keys FILE --server-key KEY] site/subject/device/signal\n";

static void read_options(int n, char **words) {
    for (int i = 1; i < n; i++) {
        const char *name = words[i], *given = i + 1 < n ? words[i + 1] : "";
        if (strncmp(name, "--", 2)) { key = name; continue; }
        i++;
        if (!strcmp(name, "--endpoint")) endpoint = given;
        else if (!strcmp(name, "--kind")) kind = given;
        else if (!strcmp(name, "--unit")) unit = given;
        else if (!strcmp(name, "--ack")) level = given;
        else if (!strcmp(name, "--labels")) labels = given;
        else if (!strcmp(name, "--rate")) sscanf(given, "%" SCNu64 "/%" SCNu64, &rate[0], &rate[1]);
        else if (!strcmp(name, "--chunk")) chunk = (unsigned)strtoul(given, NULL, 10);
        else if (!strcmp(name, "--spool")) room = strtoull(given, NULL, 10);
        else if (!strcmp(name, "--t0")) first_ns = strtoll(given, NULL, 10);
        else if (!strcmp(name, "--play")) play_s = strtod(given, NULL);
        else if (!strcmp(name, "--keys")) secret_file = given;
        else if (!strcmp(name, "--server-key")) server_key = given;
        else give_up(name, "there is no such option");
    }
    for (const char *at = labels; *at; at++) n_channels += *at == ',';
    bool wrong = !key || !rate[0] || !rate[1] || room < 4 || n_channels > MAX_CHANNELS || !secret_file != !server_key;
    if (!chunk && !wrong) chunk = (unsigned)(rate[0] / rate[1] / 25) + 1; /* 40 ms */
    if (wrong || HEADER + (uint64_t)chunk * n_channels * 4 > MAX_RECORD) {
        fputs(usage, stderr);
        exit(2);
    }
}

int main(int n, char **words) {
    read_options(n, words);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    session = (uint64_t)clock_ns(CLOCK_REALTIME); /* strictly larger at each start */
    srand((unsigned)session);
    size_t width = (size_t)chunk * n_channels;
    float *values = malloc((room + 1) * width * sizeof *values);
    spool = calloc(room, sizeof *spool);
    if (!values || !spool) give_up("there is not so much memory", "");
    for (uint64_t i = 0; i < room; i++) spool[i].values = values + i * width;
    filling = values + room * width;
    context = zmq_ctx_new();
    go_to(endpoint);
    run();
    fprintf(stderr, "gateway: %" PRIu64 " samples, %" PRIu64 " records sent, %" PRIu64 " of them again, %" PRIu64
            " samples lost\n", n_samples, n_sent, n_resent, n_lost);
    zmq_close(sock);
    zmq_ctx_term(context);
    free(spool);
    free(values);
    return 0;
}

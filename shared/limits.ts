/**
 * Every number that bounds something, in one place, with how the numbers relate asserted below. Bytes unless the
 * name says otherwise; a unit stands last in each name.
 */
import { invariant } from "./invariant.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** distribution-spec, "Pushing Manifests": at least 4 MB must be accepted; containerd reads no more than 4 MiB. */
export const MANIFEST_BYTES_MAX = 4 * MIB;
/** Manifests up to this size travel inside the op that announces them; larger ones are fetched by digest. */
export const MANIFEST_INLINE_BYTES_MAX = 32 * KIB;
/** Config, layers and children together. A 4 MiB manifest could otherwise name 200,000 empty layers. */
export const MANIFEST_DESCRIPTORS_MAX = 10_000;
export const MANIFEST_JSON_DEPTH_MAX = 32;
export const INDEX_DEPTH_MAX = 8;
/** RFC 6838, section 4.2: two names of at most 127 characters and the stroke between them. */
export const MEDIA_TYPE_LENGTH_MAX = 255;
/** Digests of algorithms that nobody here can verify may stand in a descriptor, and go back in a header. */
export const DESCRIPTOR_DIGEST_LENGTH_MAX = 255;
/** Errors told in one answer: an error document is for a person, and must not amplify a request. */
export const ERRORS_TOLD_MAX = 20;

/** The CNCF reference library's cap on the name part; clients cap host and name together at the same number. */
export const REPOSITORY_NAME_LENGTH_MAX = 255;
export const TAG_LENGTH_MAX = 128;
/** distribution-spec asks for at least ten `tag` parameters on one manifest push. */
export const TAG_PARAMETERS_MAX = 64;
export const REQUEST_TARGET_LENGTH_MAX = 8 * KIB;
export const HEADER_BYTES_MAX = 16 * KIB;
export const HEADERS_MAX = 100;
/** Connections of the registry's listener. Each costs some ten KiB and a file handle. */
export const CONNECTIONS_MAX = 16_384;
/** Of one address. A proxy in front of the node is one, a cluster behind one gateway as well. */
export const CONNECTIONS_PER_CLIENT_MAX = 8_192;
/** Requests that may wait on one connection for the answers of those before them. Clients that pipeline at all send a few. */
export const PIPELINED_REQUESTS_MAX = 100;

export const PAGE_ENTRIES_DEFAULT = 100;
export const PAGE_ENTRIES_MAX = 1_000;
/** oras and containerd read no more of a referrers page. */
export const REFERRERS_PAGE_BYTES_MAX = 4 * MIB;

/** How long a caller may wait for an image to get somewhere in one request. */
export const WAIT_MS_MAX = 60 * 60 * 1000;
/** One JSON body of the management API. */
export const API_BODY_BYTES_MAX = MIB;

export const UPLOAD_SESSIONS_MAX = 10_000;
/** Of one address: whoever opens sessions and never comes back leaves room for the others. */
export const UPLOAD_SESSIONS_PER_CLIENT_MAX = 5_000;
/** Clients leave a session behind with every permission check; a day is enough for the slowest honest push to come back. */
export const UPLOAD_IDLE_MS_MAX = 24 * 60 * 60 * 1000;
/** A session without a byte is what a permission check leaves behind, one a push; nobody comes back for it. */
export const UPLOAD_EMPTY_IDLE_MS_MAX = 60 * 60 * 1000;
/** How stale the durable record of a session's last use may be: one more synced write per session and hour. */
export const UPLOAD_TOUCH_MS = 60 * 60 * 1000;
export const UPLOAD_SWEEP_MS = 10 * 60 * 1000;
/** Requests that may wait for one session. Honest clients send one at a time. */
export const UPLOAD_WAITERS_MAX = 8;
export const UPLOAD_RETRY_AFTER_SECONDS = 60;
/** No upload begins with less room than this: the metadata store must always be able to finish what it has begun. */
export const DISK_RESERVE_BYTES = 256 * MIB;
export const DISK_FULL_RETRY_AFTER_SECONDS = 60;
/** So often an upload under way looks whether the reserve is still there. */
export const UPLOAD_ROOM_CHECK_BYTES = 16 * MIB;
/** What a writing thread is given at once. */
export const UPLOAD_SLOT_BYTES = MIB;
/** Slots that one upload may have on their way to its thread; with the next its client waits. */
export const UPLOAD_SLOTS_EACH_MAX = 6;
/** Slots of all uploads together. */
export const UPLOAD_SLOTS_MAX = 32;
/** So much of an upload is synced while the rest is still coming, so that its end does not wait for all of it. */
export const UPLOAD_SYNC_BYTES = 32 * MIB;
export const RANGES_PER_REQUEST_MAX = 64;

/** Time without a byte after which a body or a reader is given up. The total is never bounded: 2 GB on a slow line is honest. */
export const BODY_IDLE_MS_MAX = 60_000;
/** Fewer bytes in that time count as none: a byte a minute must not hold a connection. */
export const BODY_PROGRESS_BYTES_MIN = KIB;
/** Read of a refused request's body before its connection is closed, so that the client gets to see the refusal. */
export const DRAIN_BYTES_MAX = 16 * MIB;
export const DRAIN_MS_MAX = 2_000;
/** How long a stopping node waits for the requests that it is answering. */
export const STOP_GRACE_MS_MAX = 20_000;
export const HEADERS_TIMEOUT_MS = 15_000;
export const KEEP_ALIVE_MS = 75_000;

export const BLOB_READ_CHUNK_BYTES = 256 * KIB;
/** What the readers of blobs may hold of buffers before theirs become as small as they may be. */
export const READ_BUFFERS_BYTES_MAX = 32 * MIB;
export const READ_BUFFER_BYTES_MIN = 8 * KIB;

/** Rows of the metadata store that were read or written lately. */
export const ROW_MEMORY_BYTES_MAX = 16 * MIB;
/** Rows that tell what waits for a manifest, all of which are remembered while they are no more. */
export const WAITERS_REMEMBERED_MAX = 20_000;
/** Manifests that were pulled lately, with their bytes. */
export const MANIFEST_MEMORY_BYTES_MAX = 32 * MIB;
/** Who has which blob, as asked lately. */
export const BLOB_LINK_MEMORY_BYTES_MAX = 8 * MIB;
/** Blobs that are answered from memory at their first reading, and at their second. */
export const SMALL_BLOB_BYTES_MAX = 64 * KIB;
export const MEDIUM_BLOB_BYTES_MAX = MIB;
/** Bytes of blobs that were read lately. */
export const BLOB_MEMORY_BYTES_MAX = 64 * MIB;
/** Blobs of medium size that were read once lately. */
export const BLOBS_SEEN_ONCE_MAX = 4_096;

/** Versions of the protocol between nodes that this one speaks; two nodes need one in common. */
export const PROTOCOL_VERSION_MIN = 1;
export const PROTOCOL_VERSION_MAX = 1;
/** What one gRPC message may hold; grpc-js' own default, kept because a manifest with its envelope must fit. */
export const RPC_MESSAGE_BYTES_MAX = 8 * MIB;
export const RPC_BLOB_CHUNK_BYTES = 256 * KIB;
/** A batch on the op stream is closed at this size, or when nothing more is waiting. */
export const OP_BATCH_BYTES_MAX = 64 * KIB;
export const OP_BATCH_OPS_MAX = 1_000;
/** Bytes of ops that a publisher may send before its follower has granted any; the most that a follower lets be under way. */
export const OP_CREDIT_BYTES = MIB;
/** HTTP/2 window of a pulling client: round trip × bandwidth, 16 MiB fill 612 Mbit/s at 100 ms. */
export const RPC_WINDOW_BYTES = 16 * MIB;

/** A segment of the journal that has grown to this is full. What is in the last one or two is written again after a crash. */
export const JOURNAL_SEGMENT_BYTES = 16 * MIB;
/** The journal is shortened when its batches are as long as its last checkpoint, and at least this. */
export const JOURNAL_CHECKPOINT_BYTES_MIN = 64 * MIB;
/** Of the metadata store's tables, the newest, so much is compared with its sums before a start goes on: a third of a second. */
export const TABLES_CHECKED_BYTES_MAX = 128 * MIB;
/** How many blobs are remembered as hashed since the start. One that is not is hashed again before it is shown. */
export const VERIFIED_BLOBS_MAX = 50_000;
/** A blob that was hashed longer ago is hashed again before it is shown; the scrubber's round takes as long. */
export const BLOB_VERIFIED_MS_MAX = 30 * 24 * 60 * 60 * 1000;
/** A round of the scrubber begins so long after the last one did: five days are left to finish it within 30. */
export const SCRUB_ROUND_MS = 25 * 24 * 60 * 60 * 1000;
/** It leaves a start alone for so long, and waits as long when the disk refuses. */
export const SCRUB_START_MS = 60 * 1000;
/** What opening a blob counts for, so that many small ones are not read all at once. */
export const SCRUB_BLOB_COST_BYTES = 16 * KIB;
/** So much is hashed again at most after a crash. */
export const SCRUB_SAVE_BYTES = 256 * MIB;
/** A pause that ends so much too late tells of a busy machine, and is followed by a longer one. */
export const SCRUB_LATE_MS = 50;
export const SCRUB_BEHIND_MS = 250;
/** Between two attempts to fetch blobs that were lost, when no peer has come back meanwhile. */
export const MEND_RETRY_MS_MIN = 250;
export const MEND_RETRY_MS_MAX = 60 * 1000;
/** Turns of the writer that may share one synced batch. */
export const TURNS_PER_COMMIT_MAX = 256;
/** Ops kept per origin for cheap catch-up; whoever is further behind is served from the live index. */
export const OP_LOG_OPS_MAX = 20_000;
/** Moves kept for each tag. */
export const TAG_HISTORY_MOVES_MAX = 50;

/** A timestamp further ahead of the own clock is never absorbed. Source: hybrid logical clock bound, protocol.md. */
export const CLOCK_AHEAD_MS_MAX = 500;

/** Off the median of all clocks by more than this is worth a word to the operator. */
export const CLOCK_OFFSET_WARNED_MS = 250;
/** And by more than this is no clock to stamp writes with. */
export const CLOCK_OFFSET_REFUSED_MS = 500;
/** Looks at the clock in a row, one a second, that must agree before writes are refused, or taken again. */
export const CLOCK_ROUNDS = 3;
/** 2025-01-01, before any of this was written: a clock that shows less has no battery. */
export const CLOCK_EARLIEST_MS = 1_735_689_600_000;
/** Ops of an origin that is further ahead than this are kept aside until their time has come. */
export const CLOCK_PARKED_MS = 60_000;

/** Ops of one parked origin that are kept; it has the rest itself. */
export const PARKED_OPS_MAX = 10_000;

/** A causal token travels in a header of every write's answer. */
export const CAUSAL_TOKEN_LENGTH_MAX = KIB;
export const CAUSAL_TOKEN_DOTS_MAX = 40;

export const PEERS_MAX = 300;
/** Members remembered, with those that left or were evicted: their names must not be mistaken for new ones. */
export const MEMBERS_MAX = 1_024;
/** Named with a suspicion; two regions among them are enough. */
export const MEMBER_ACCUSERS_MAX = 8;
export const MEMBER_FEATURES_MAX = 32;
export const MEMBER_LABEL_LENGTH_MAX = 63;
/** An advertised URL or host:port. */
export const MEMBER_ADDRESS_LENGTH_MAX = 512;
/** A probe on behalf of another: nine times the probe period, when the asking node doubts itself most. */
export const PROBE_FOR_MS_MAX = 18_000;
/** A node that leaves waits so long for others to hold what it wrote. */
export const LEAVE_MS_MAX = 60_000;
/** News that one probe, its answer or one push carries beside what it is for. */
export const NEWS_PER_MESSAGE_MAX = 6;
/** Each data directory that ever wrote is one, for ever. */
export const VECTOR_ORIGINS_MAX = 4_096;
/** What a catch-up session that was cut may leave behind, over all origins. */
export const VECTOR_RANGES_MAX = 1_000_000;
/** Peers asked once before a miss becomes a 404. */
export const MISS_PROBE_PEERS = 2;
export const MISS_PROBE_TIMEOUT_MS = 2_000;
/** How long a read waits for what its caller has seen elsewhere (`Meridian-Min-Version`). */
export const VERSION_WAIT_MS_MAX = 2_000;
export const VERSION_RETRY_AFTER_SECONDS = 1;
/** Repositories are spread over so many lanes, each with a sum that two nodes compare. */
export const AUDIT_LANES = 4_096;
export const AUDIT_LANES_PER_GROUP = 64;
export const AUDIT_GROUPS = AUDIT_LANES / AUDIT_LANES_PER_GROUP;
/** Between two audits of one node, each with another peer. */
export const AUDIT_PERIOD_MS = 60_000;
/** A difference is looked at again so soon: it may be that an op is on its way. */
export const AUDIT_RECHECK_MS = 5_000;
/** Audits in a row that must see one and the same difference before it is repaired. */
export const AUDIT_SIGHTINGS = 3;
/** Looks at differences that change all the time; then they are left to the next audit. */
export const AUDIT_RECHECKS_MAX = 12;
/** How often the sums are made anew from what lies in the store, which may have changed without a write. */
export const AUDIT_REBUILD_MS = 6 * 60 * 60 * 1000;
/** Registers read between two pauses while sums are made; a million take about half a minute of one core's tenth. */
export const AUDIT_SCAN_STEP = 500;
export const AUDIT_SCAN_PAUSE_MS = 5;
/** One comparison: two round trips. */
export const AUDIT_TIMEOUT_MS = 5_000;
/** Registers of one lane whose fingerprints one question may name: 16 bytes each, in one message. */
export const AUDIT_LANE_REGISTERS_MAX = 250_000;
/** Differing registers that one answer about the whole state names. */
export const VERIFY_DIFFERENCES_TOLD_MAX = 100;
export const VERIFY_TIMEOUT_MS_DEFAULT = 10_000;
export const VERIFY_TIMEOUT_MS_MAX = 5 * 60 * 1000;

/** The read of a tag is answered with a warning when something may have been written so long ago and not be here. */
export const STALENESS_WARNING_MS = 30_000;
/** Digests that one question between nodes may name. */
export const DIGESTS_ASKED_MAX = 1_000;
export const HOLDERS_TOLD_MAX = 16;
export const UNAVAILABLE_RETRY_AFTER_SECONDS = 5;

/** Blobs that are streamed from other nodes at once; each takes a stream, a file and one chunk of memory. */
export const BLOB_FETCHES_MAX = 16;
/** Peers asked at once who holds a blob; the next nearest are asked only when none of these does. */
export const HOLDERS_ASKED_MAX = 16;
export const HOLDER_SEARCH_TIMEOUT_MS = 2_000;
/** A holder that owes bytes and sends none for this long is left for another. */
export const BLOB_FETCH_STALL_MS = 10_000;
/** How often all holders are tried without progress in between. */
export const BLOB_FETCH_ROUNDS_MAX = 7;
/** Before the second round; twice as long before each further one. */
export const BLOB_FETCH_PAUSE_MS = 250;
/** Fewer new bytes than this are no progress: a holder that breaks after each byte must not keep a reader for ever. */
export const BLOB_FETCH_PROGRESS_BYTES = MIB;

export const NODE_NAME_LENGTH_MAX = 63;
export const ACTOR_LENGTH_MAX = 128;

// A manifest travels inside one replication message, with room for its envelope.
invariant(MANIFEST_BYTES_MAX + 64 * KIB <= RPC_MESSAGE_BYTES_MAX, "a manifest fits in a message");
invariant(MANIFEST_INLINE_BYTES_MAX < OP_BATCH_BYTES_MAX, "an op with its manifest fits in a batch");
invariant(RPC_BLOB_CHUNK_BYTES < RPC_MESSAGE_BYTES_MAX, "a blob chunk fits in a message");
// A reader learns that no holder is left before it gives the reading up by itself.
invariant(
  BLOB_FETCH_PAUSE_MS * 2 ** (BLOB_FETCH_ROUNDS_MAX - 1) +
    HOLDER_SEARCH_TIMEOUT_MS * BLOB_FETCH_ROUNDS_MAX +
    BLOB_FETCH_STALL_MS <
    BODY_IDLE_MS_MAX,
  "a fetch without a holder ends before its readers do",
);
invariant(Number.isInteger(AUDIT_GROUPS), "every audit lane belongs to one group");
invariant(AUDIT_LANE_REGISTERS_MAX * 16 < RPC_MESSAGE_BYTES_MAX, "the fingerprints of a lane fit in a message");
invariant(MANIFEST_BYTES_MAX * 2 < MANIFEST_MEMORY_BYTES_MAX, "the largest manifest does not push out all others");
invariant(MEDIUM_BLOB_BYTES_MAX * 8 < BLOB_MEMORY_BYTES_MAX, "a blob of medium size does not push out all others");
invariant(PEERS_MAX < MEMBERS_MAX, "there is room to remember who left");
invariant(UPLOAD_SLOTS_EACH_MAX * 2 < UPLOAD_SLOTS_MAX, "one upload leaves room for others");
invariant(SCRUB_ROUND_MS < BLOB_VERIFIED_MS_MAX, "the scrubber comes round before a blob counts as unverified");
invariant(PAGE_ENTRIES_DEFAULT <= PAGE_ENTRIES_MAX, "the default page is within the largest");
// A dot takes at most 16 bytes of a token; format, count and checksum another 6; base64 four characters for three bytes.
invariant(((CAUSAL_TOKEN_DOTS_MAX * 16 + 6) * 4) / 3 <= CAUSAL_TOKEN_LENGTH_MAX, "the longest token fits its limit");
invariant(CONNECTIONS_PER_CLIENT_MAX < CONNECTIONS_MAX, "one client leaves connections for the others");
invariant(UPLOAD_SESSIONS_PER_CLIENT_MAX < UPLOAD_SESSIONS_MAX, "one client leaves uploads for the others");
invariant(UPLOAD_TOUCH_MS < UPLOAD_IDLE_MS_MAX, "a session in use is not idle after a restart");
invariant(UPLOAD_SWEEP_MS < UPLOAD_EMPTY_IDLE_MS_MAX, "sessions are swept more often than they expire");

/*
 * How nodes share one session on Redis: commit, notice, unknown outcome, reading again, and takeover by a replica. Two nodes and
 * three events, in every order, by Spin. `npm run model` runs it, with how many takeovers and broken connections there are.
 *
 * Without options: Redis with a replica that must confirm. With -DONE_COPY: nobody confirms, and a takeover loses what the replica
 * did not have. Each other option leaves one thing out of the protocol, and must be found as an error.
 */
#define NODES 2
#define EVENTS 3

/* What Redis holds: the epoch of the entry at each offset. The replica has 1 .. safe. */
byte epoch[EVENTS + 1];
byte last;
byte safe;
/* Epochs drawn so far: each commit has its own. */
byte drawn;
/* Whether the commit of an epoch was answered 202. */
bool answered[EVENTS + 1];

/* Faults and events that are still to come. */
byte takeovers = TAKEOVERS;
byte breaks = BREAKS;
byte events = EVENTS;

/* The position that a node knows, and that its subscribers were brought to. */
byte shown[NODES];
byte shownEpoch[NODES];
/* What the node knows may be stale: it is read again before anything is decided on it. */
bool doubts[NODES];
/* Whether the node is told of the session: it listens to the topic, first of all or again after it had left. */
bool listens[NODES];
byte leaves = 1;
/* The other nodes are to be told to look for themselves. */
bool untold[NODES];

mtype = { NONE, SENT, APPLIED, GIVEN_UP };
/* The node's own commit, and the position that it has once it is applied. */
mtype commit[NODES] = NONE;
byte wrote[NODES];
byte wroteEpoch[NODES];

/* Notices on their way to a node: offset and epoch of an entry; offset 0 says that the session is to be read again. */
chan notices[NODES] = [5] of { byte, byte };

/* Of one step only, so no part of a state. */
hidden byte offset, its, n, at;

inline reset(node) {
  commit[node] = NONE;
  wrote[node] = 0;
  wroteEpoch[node] = 0
}

#define STANDS(node) (shown[node] == 0 || (shown[node] <= last && epoch[shown[node]] == shownEpoch[node]))

inline deliver(node, number, nonce) {
  /* PUB-3: in order, without a gap, after what still stands. */
  assert(number == shown[node] + 1);
  assert(STANDS(node));
  shown[node] = number;
  shownEpoch[node] = nonce
}

/* A notice arrives later, or is lost, which is noticed: a beat or the connection. Who does not listen is sent nothing. */
inline tell(node, number, nonce) {
  if
  :: listens[node] ->
    assert(nfull(notices[node]));
    if
    :: notices[node]!number,nonce
#ifdef NO_DOUBT_AFTER_LOSS
    :: true
#else
    :: doubts[node] = true
#endif
    fi
  :: else -> skip
  fi
}

inline answer(node) {
  answered[wroteEpoch[node]] = true;
#ifdef ONE_COPY
  if
  :: !doubts[node] -> deliver(node, wrote[node], wroteEpoch[node])
  :: else -> skip
  fi;
#else
  tell(1 - node, wrote[node], wroteEpoch[node]);
  if
  :: !doubts[node] -> deliver(node, wrote[node], wroteEpoch[node])
  :: else -> skip
  fi;
#endif
  reset(node)
}

inline hear(node) {
  notices[node]?offset,its;
  if
  :: offset == 0 -> doubts[node] = true
  :: offset > 0 && !doubts[node] && offset == shown[node] + 1 -> deliver(node, offset, its)
  :: offset > 0 && !doubts[node] && offset > shown[node] + 1 -> doubts[node] = true
  :: else -> skip
  fi
}

/* What was missed is sent; where what was sent is gone, subscribers are told how things stand now (SUB-11). */
inline readAgain(node) {
#ifdef ONE_COPY
  if
#ifdef NO_EPOCH
  :: shown[node] > last -> shown[node] = last; shownEpoch[node] = epoch[last]
#else
  :: !STANDS(node) -> shown[node] = last; shownEpoch[node] = epoch[last]
#endif
  :: else -> skip
  fi;
#else
  /* Where replicas confirm, nothing that was shown is ever undone. */
  assert(STANDS(node));
#endif
  do
  :: shown[node] < last -> shown[node] = shown[node] + 1; shownEpoch[node] = epoch[shown[node]]
  :: else -> break
  od;
  doubts[node] = false
}

/* Only who is told what follows keeps what it reads. */
#ifdef READ_BEFORE_LISTENING
#define MAY_READ true
#else
#define MAY_READ listens[me]
#endif

proctype Node(byte me) {
end:
  do
  /* An event is decided on what the node knows. */
  :: d_step { events > 0 && commit[me] == NONE && !doubts[me] -> events--; commit[me] = SENT }

  /* Redis compares and sets. */
  :: atomic { commit[me] == SENT || commit[me] == GIVEN_UP ->
      if
#ifdef NO_EPOCH
      :: shown[me] == last ->
#else
      :: shown[me] == last && STANDS(me) ->
#endif
        drawn++;
        last++;
        epoch[last] = drawn;
        wrote[me] = last;
        wroteEpoch[me] = drawn;
#ifdef ONE_COPY
        tell(1 - me, last, drawn);
#endif
        if
        :: commit[me] == GIVEN_UP -> reset(me)
        :: else -> commit[me] = APPLIED
        fi
      :: else ->
        /* Another was first: it is decided again, on what that one left. */
        if
        :: commit[me] == SENT -> events++
        :: else -> skip
        fi;
        reset(me);
        doubts[me] = true
      fi }

  /* 202, and notices, once it is where it cannot be lost from. */
#if defined(ONE_COPY) || defined(NO_WAIT)
  :: atomic { commit[me] == APPLIED -> answer(me) }
#else
  :: atomic { commit[me] == APPLIED && safe >= wrote[me] -> answer(me) }
#endif

  /* No answer comes: the outcome is unknown. A commit says until when Redis may run it, so that it does not happen later. */
  :: d_step { breaks > 0 && (commit[me] == SENT || commit[me] == APPLIED) ->
      breaks--;
#ifdef NO_DEADLINE
      if
      :: commit[me] == SENT -> commit[me] = GIVEN_UP
      :: else -> reset(me)
      fi;
#else
      reset(me);
#endif
#ifndef NO_DOUBT_AFTER_UNKNOWN
      doubts[me] = true;
#endif
#if !defined(ONE_COPY) && !defined(NO_WORD_OF_UNKNOWN)
      untold[me] = true
#endif
      }
  :: atomic { untold[me] -> untold[me] = false; tell(1 - me, 0, 0) }

  :: atomic { nempty(notices[me]) -> hear(me) }

#if defined(ONE_COPY) || defined(READ_UNCONFIRMED)
  :: atomic { MAY_READ && doubts[me] && commit[me] == NONE -> readAgain(me) }
#else
  :: atomic { MAY_READ && doubts[me] && commit[me] == NONE && safe == last -> readAgain(me) }
#endif

  /* The node begins to listen, and reads then. */
#ifdef READ_BEFORE_LISTENING
  :: d_step { !listens[me] && !doubts[me] -> listens[me] = true }
#else
  :: d_step { !listens[me] -> listens[me] = true }
#endif
  /* Nothing at the node needs the session any more: it is forgotten. What is on its way may still arrive. */
  :: d_step { leaves > 0 && listens[me] && commit[me] == NONE ->
      leaves--;
      listens[me] = false;
      shown[me] = 0;
      shownEpoch[me] = 0;
      doubts[me] = true }
  od
}

proctype Replica() {
end:
  do
  :: d_step { safe < last -> safe++ }
  od
}

proctype Environment() {
  /* The replica takes over with what it has. Every connection breaks, and who waited is answered 503. */
end:
  do
  :: atomic { takeovers > 0 ->
      takeovers--;
      do
      :: last > safe -> epoch[last] = 0; last--
      :: else -> break
      od;
      n = 0;
      do
      :: n < NODES ->
        do
        :: nempty(notices[n]) -> notices[n]?offset,its
        :: empty(notices[n]) -> break
        od;
        reset(n);
#ifndef NO_DOUBT_AFTER_TAKEOVER
        doubts[n] = true;
#endif
        n++
      :: else -> break
      od }
  /* Nothing more happens from outside. */
  :: d_step { takeovers > 0 || breaks > 0 || events > 0 -> takeovers = 0; breaks = 0; events = 0 }
  /* At rest everybody shows what Redis holds, and every 202 stands. */
  :: timeout -> atomic {
      n = 0;
      do
      :: n < NODES ->
        assert(listens[n]);
        assert(shown[n] == last);
        assert(STANDS(n));
        n++
      :: else -> break
      od;
#ifndef ONE_COPY
      n = 1;
      do
      :: n <= drawn ->
        at = 1;
        do
        :: answered[n] && at <= last && epoch[at] != n -> at++
        :: else -> break
        od;
        assert(!answered[n] || at <= last);
        n++
      :: else -> break
      od;
#endif
      break }
  od
}

init {
  atomic {
    doubts[0] = true;
    doubts[1] = true;
    run Node(0);
    run Node(1);
    run Replica();
    run Environment()
  }
}

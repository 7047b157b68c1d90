/*
 * evertoken's refresh protocol: one grant, one chain of refresh tokens. See README.md beside this file.
 *
 * A worker's steps carry the names of the code's: claim, recoveryOf, markSent, commit, settle, lost, fallback, drain, revoke
 * (library/src/grants/). What happens between two of them may be anything below; each `atomic` is one transaction of the
 * store, or one event outside.
 *
 * MODE, the replay class of the provider: 0 strict  1 last_child_wins  2 idempotent  3 non_rotating  4 fork
 *
 * Mechanisms (1: in the protocol, 0: taken away):
 *   FENCE   markSent checks the fence
 *   CASP    commit is judged by the refresh token the answer was bought with (0: by the fence)
 *   INTENT  1 unresolved = an attempt was sent and has no verdict; 0 nothing is recorded;
 *           2 recorded only by a worker that saw the time-out
 *   KEEPU   a later "not processed" leaves earlier unresolved attempts alone (0: it clears them)
 *   QUIET   strict: nothing is sent or probed while a request on this refresh token may still arrive
 *   PROBE   strict: ask whether the refresh token is alive instead of sending it again
 *   SPOOL   an answer is durable on its host before commit
 *   DRAIN   the spool is drained at the start and before claim; DRAIN2: and again before a probe or a second send
 *   SWAIT   another host waits until the attempt is locally done, or the mandatory window has begun
 *   CAND, PREV, PROVE  last_child_wins: keep the answers of siblings; fall back to the previous refresh token; a
 *           proving refresh after an overlap
 *   AGAIN   last_child_wins: with two children of one parent neither is used, and the parent is sent once more
 *   WCHK    a second send only inside the reuse window
 *   STCHK   commit checks the state (revoked)
 *   REVAL   revoke waits for the caches of readers
 *
 * Environment. The provider may process a request at ANY time after the client gave up or died, in any order.
 *   CRASHES, DROPS (lost messages), STEALS (the lease of a living holder runs out), REFUSE (429), GIVEUP (time-outs),
 *   ROUNDS (refreshes that fall due), NW (workers), SENDCAP (sends), HOST(worker)
 *   WCL      0 the reuse window stays open; 1 closes, but not while recovery is pending; 2 closes when it likes
 *   FAMKILL  windowed classes: 1 reuse outside the window kills the login; 2 so does a child that a sibling has killed
 *   QUSE     1: a child is used only when the requests on its parent are over; 2: and their answers at home
 *
 * Claims beyond P1, P2, P3 and P5, which are always asserted:
 *   CHKREUSE  reuse detection is never triggered (P6)
 *   CHKANY    no reauthorization at all
 *   CHKLOST   reauthorization only after a lost answer, even past the mandatory window
 */
#ifndef MODE
#define MODE 0
#endif
#ifndef FENCE
#define FENCE 1
#endif
#ifndef CASP
#define CASP 1
#endif
#ifndef INTENT
#define INTENT 1
#endif
#ifndef KEEPU
#define KEEPU 1
#endif
#ifndef QUIET
#define QUIET 1
#endif
#ifndef PROBE
#define PROBE 0
#endif
#ifndef SPOOL
#define SPOOL 1
#endif
#ifndef DRAIN
#define DRAIN 1
#endif
#ifndef DRAIN2
#define DRAIN2 1
#endif
#ifndef SWAIT
#define SWAIT 1
#endif
#ifndef CAND
#define CAND 1
#endif
#ifndef PREV
#define PREV 1
#endif
#ifndef PROVE
#define PROVE 1
#endif
#ifndef AGAIN
#define AGAIN 1
#endif
#ifndef WCHK
#define WCHK 1
#endif
#ifndef STCHK
#define STCHK 1
#endif
#ifndef REVAL
#define REVAL 1
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef DROPS
#define DROPS 1
#endif
#ifndef STEALS
#define STEALS 1
#endif
#ifndef REFUSE
#define REFUSE 0
#endif
#ifndef GIVEUP
#define GIVEUP 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef NW
#define NW 2
#endif
#ifndef HOST
#define HOST(w) (w)          /* each on its own; -DSAMEHOST: all on one; -DMIXED: 1 and 3 share one */
#endif
#ifdef SAMEHOST
#undef HOST
#define HOST(w) 1
#endif
#ifdef MIXED
#undef HOST
#define HOST(w) ((w) % 2)
#endif
#ifndef WCL
#define WCL 0
#endif
#ifndef FAMKILL
#define FAMKILL 0
#endif
#ifndef QUSE
#define QUSE 0
#endif
#ifndef REVOKE
#define REVOKE 0
#endif
#ifndef SENDCAP
#define SENDCAP 6
#endif
#define ATTEMPTS 6
#define TOKENS 9
#define ACTIVE 1
#define REAUTHORIZATION_REQUIRED 2
#define REVOKED 3
#define NONE 0
#define ARMED 1   /* sentAt durable, not on the wire yet */
#define TRAVELLING 2   /* may still reach the provider */
#define ANSWERED 3   /* answer on its way to a sender that listens */
#define LOST 4
#define REFUSED 99   /* the answer "not processed" (429) */
#define DEAD_OWNER 9
/* provider */
bit valid[TOKENS]; bit used[TOKENS]; byte rotated = 0, newestChild = 0, nextToken = 2; bit dead = 0, windowOpen = 1;
/* requests; unres, ldone, aown are columns of the attempt table */
byte phase[ATTEMPTS], parent[ATTEMPTS], answer[ATTEMPTS], attemptOwner[ATTEMPTS];
bit unresolved[ATTEMPTS]; bit localDone[ATTEMPTS]; bit listening[ATTEMPTS];
byte sends = 0, drops = 0, crashes = 0, steals = 0, refused = 0;
/* grant row; own = the worker whose fence is the current one (only equality of fences matters) */
byte refreshToken = 1, previousToken = 0, status = ACTIVE, lease = 0, fenceOwner = 0, due = ROUNDS;
bit candidate[TOKENS]; bit proving = 0, mandatory = 0;
/* spool of each worker (on its host), answer in memory */
byte spooled[NW+1], spooledParent[NW+1], spooledAttempt[NW+1]; bit inHand[NW+1];
/* what really happened, which no worker knows */
bit answerLost = 0, gambled = 0; bit readerCache = 0, returned = 0;
byte t = 0, k = 0, k2 = 0;   /* scratch, always 0 between steps */

#define EACH(M,o) (M(0) o M(1) o M(2) o M(3) o M(4) o M(5))
#define IS_UNRESOLVED(i)  (unresolved[i] && parent[i] == refreshToken)
#define MAY_ARRIVE(i)  ((phase[i] == TRAVELLING || phase[i] == ARMED) && parent[i] == refreshToken)
#define IN_FLIGHT(i)  (phase[i] == TRAVELLING || phase[i] == ARMED)
#define IS_ANSWERED(i)  (phase[i] == ANSWERED)
#define NOT_DONE(i)  (unresolved[i] && parent[i] == refreshToken && !localDone[i])
#define IS_AWAITED(i)  (unresolved[i] && parent[i] == refreshToken && !localDone[i] && listening[i])
#define UNRESOLVED   (INTENT && EACH(IS_UNRESOLVED,||))
#define MAY_STILL_ARRIVE   EACH(MAY_ARRIVE,||)
#define ANY_IN_FLIGHT  EACH(IN_FLIGHT,||)
#define NOT_LOCALLY_DONE EACH(NOT_DONE,||)
#define WINDOW    (MODE == 3 || (MODE != 0 && (windowOpen || !WCHK)))
/* recoveryOf: may an unresolved refresh token be probed or sent again now? Inside a window it may. Strict, and past the
   window: never before quiescence is over, not even in the mandatory window, which only ends the waiting for another host,
   and lets one late replay go where there is no probe. (The code has a last_child_wins sender waited for beside.) */
#define MAY_SEND  (!UNRESOLVED || WINDOW || \
  ((!QUIET || !MAY_STILL_ARRIVE) && (!SWAIT || !NOT_LOCALLY_DONE || mandatory) && (PROBE || mandatory || !SWAIT)))
#define DUE     (due > 0 || UNRESOLVED || proving)
#define MAY_USE_CHILD   (!QUSE || UNRESOLVED || (!ANY_IN_FLIGHT && (QUSE == 1 || !(EACH(IS_ANSWERED,||) || SOME_WORKER(HAS_ANSWER)))))
#define FREE    (lease == 0 || lease == DEAD_OWNER)
#define SENDER_IS_DEAD(i)  (unresolved[i] && !localDone[i] && !listening[i] && HOST(attemptOwner[i]) == HOST(me))
#if NW == 3
#define SOME_WORKER(M) (M(1) || M(2) || M(3))
#else
#define SOME_WORKER(M) (M(1) || M(2))
#endif
#define HAS_ANSWER(w) (spooled[w] || inHand[w])
#define HAS_SPOOLED_AWAY(w) ((spooled[w] && HOST(w) != HOST(me)) || inHand[w])
#define HAS_SPOOLED_AND_DIED(w) (spooled[w] && WRITER_IS_DEAD(w))
#define HAS_SPOOLED_K(w) (spooled[w] && spooledAttempt[w] == k)
#define HELD_ELSEWHERE SOME_WORKER(HAS_SPOOLED_AWAY)
#define SPOOL_OF_DEAD SOME_WORKER(HAS_SPOOLED_AND_DIED)
#define IN_A_SPOOL SOME_WORKER(HAS_SPOOLED_K)
#define WRITER_IS_DEAD(w)  (HOST(w) == HOST(me) && !listening[spooledAttempt[w]]) 
#define CAN_DRAIN (SPOOL_OF_DEAD || EACH(SENDER_IS_DEAD,||))

inline forgetOver() {   /* attempts that can no longer matter go: keeps the search small, changes nothing */
  k = 0;
  do
  :: k < ATTEMPTS ->
       if
       :: (phase[k] == LOST && !listening[k] && !unresolved[k] && answer[k] == 0 && !IN_A_SPOOL) ->
            phase[k] = NONE; parent[k] = 0; attemptOwner[k] = 0; localDone[k] = 0
       :: else
       fi;
       k++
  :: else -> break
  od;
  k = 0
}
inline requireReauthorization() {   /* P5: only with an excuse */
#ifdef CHKANY
  assert(false);
#endif
#ifdef CHKLOST
  assert(answerLost);
#endif
  assert((MODE == 0 && (answerLost || gambled)) || (MODE != 0 && MODE != 3 && WCL == 2 && (answerLost || gambled)));
  status = REAUTHORIZATION_REQUIRED; lease = 0; fenceOwner = 0; proving = 0
}
/* T2. The answer c to attempt i on p: repeated until it succeeds, and harmless when repeated; the drain runs it too. */
inline commit(p, c, i, mine) {
  unresolved[i] = 0; localDone[i] = 1;
  if
  :: status == REVOKED && STCHK -> skip                          /* revoked upstream, never stored */
  :: !(status == REVOKED && STCHK) && ((CASP && refreshToken == p) || (!CASP && mine)) ->
       assert(status != REVOKED);                                /* P3 */
       assert(MODE == 3 || !valid[refreshToken] || valid[c]);    /* P2 */
       proving = 0; k = 0;
       do
       :: k < ATTEMPTS ->
            if
            :: unresolved[k] && parent[k] == p ->
                 if :: MODE == 1 && PROVE -> proving = 1 :: else fi;
                 if :: MODE != 1 -> unresolved[k] = 0 :: else fi
            :: else
            fi;
            k++
       :: else -> break
       od;
       k = 0;
       previousToken = refreshToken; refreshToken = c; candidate[c] = 0;
       status = ACTIVE; mandatory = 0; lease = 0; fenceOwner = 0;
       if :: due > 0 -> due-- :: else fi
  :: else ->
       if
       :: CAND && c != refreshToken && status == REAUTHORIZATION_REQUIRED ->   /* something is left to try */
            refreshToken = c; status = ACTIVE
       :: CAND && c != refreshToken && status != REAUTHORIZATION_REQUIRED ->
            candidate[c] = 1;
            if :: MODE == 1 && PROVE && status == ACTIVE -> proving = 1 :: else fi;
            if
            :: AGAIN && MODE == 1 && status == ACTIVE && p == previousToken && windowOpen && !UNRESOLVED ->
                 candidate[refreshToken] = 1; refreshToken = p; previousToken = 0
            :: else
            fi
       :: else
       fi
  fi
}
/* The present refresh token is dead: another that may be alive takes its place (earlier, sibling), or a person is asked. */
inline fallback() {
  k = 0; do :: k < TOKENS && !candidate[k] -> k++ :: else -> break od;
  if
  :: CAND && k < TOKENS ->
       refreshToken = k; candidate[k] = 0; lease = 0; if :: MODE == 1 -> proving = 1 :: else fi
  :: !(CAND && k < TOKENS) && PREV && MODE == 1 && previousToken != 0 && windowOpen ->
       refreshToken = previousToken; previousToken = 0; lease = 0; proving = 1
  :: else -> k = 0; requireReauthorization()
  fi;
  k = 0
}
/* A probe found it dead: the answer was lost, and no attempt on it can bring anything any more. */
inline lost() {
  k = 0;
  do
  :: k < ATTEMPTS -> if :: parent[k] == r -> unresolved[k] = 0 :: else fi; k++
  :: else -> break
  od;
  fallback()
}
inline process(i) {   /* the provider, by its class */
  t = parent[i];
  if
  :: MODE == 3 -> answer[i] = t
  :: MODE != 3 && dead -> answer[i] = 0
  :: MODE != 3 && !dead && valid[t] && !used[t] ->
       used[t] = 1; valid[t] = 0; valid[nextToken] = 1; rotated = t; newestChild = nextToken;
       answer[i] = nextToken; nextToken++; windowOpen = 1
  :: MODE == 2 && !dead && used[t] && windowOpen && rotated == t -> answer[i] = newestChild
  :: MODE == 1 && !dead && used[t] && windowOpen && rotated == t && !used[newestChild] ->
       valid[newestChild] = 0; valid[nextToken] = 1; newestChild = nextToken; answer[i] = nextToken; nextToken++
  :: MODE == 4 && !dead && used[t] && windowOpen -> valid[nextToken] = 1; answer[i] = nextToken; nextToken++
  :: else -> answer[i] = 0;
       if
       :: (used[t] && (MODE == 0 || FAMKILL)) || (!valid[t] && FAMKILL == 2) ->
            dead = 1; k = 0; do :: k < TOKENS -> valid[k] = 0; k++ :: else -> break od; k = 0;
#ifdef CHKREUSE
            assert(!dead)                                  /* P6 */
#endif
       :: else
       fi
  fi;
  t = 0
}
#define NET(i) \
  :: atomic { phase[i] == TRAVELLING && nextToken < TOKENS -> process(i); \
       if \
       :: listening[i] -> phase[i] = ANSWERED \
       :: else -> phase[i] = LOST; \
            if :: MODE != 3 && answer[i] != 0 -> answerLost = 1 :: else fi; answer[i] = 0; forgetOver() \
       fi } \
  :: atomic { phase[i] == TRAVELLING && drops < DROPS -> drops++; phase[i] = LOST; forgetOver() } \
  :: atomic { phase[i] == TRAVELLING && listening[i] && refused < REFUSE -> \
       refused++; answer[i] = REFUSED; phase[i] = ANSWERED } \
  :: atomic { phase[i] == ANSWERED && drops < DROPS -> drops++; phase[i] = LOST; \
       if :: MODE != 3 && answer[i] != 0 && answer[i] != REFUSED -> answerLost = 1 :: else fi; answer[i] = 0 }
active proctype Net() {   /* provider, network, clock */
end_net:
  do
  NET(0) NET(1) NET(2) NET(3) NET(4) NET(5)
  :: atomic { MODE != 3 && !mandatory && UNRESOLVED && !WINDOW -> mandatory = 1 }   /* its window begins */
  :: atomic { WCL && windowOpen && rotated != 0 && !ANY_IN_FLIGHT &&
              (WCL == 2 || (!UNRESOLVED && !proving)) -> windowOpen = 0 }
  od
}
inline die() {
  if :: lease == me && fenceOwner == me -> lease = DEAD_OWNER :: else fi;
  inHand[me] = 0; r = 0; a = 0; g = 0; crashes++; forgetOver()
}
inline drain() {
  k2 = 1;
  do
  :: k2 <= NW ->
       if
       :: spooled[k2] && WRITER_IS_DEAD(k2) ->
            commit(spooledParent[k2], spooled[k2], spooledAttempt[k2], false);
            spooled[k2] = 0; spooledParent[k2] = 0; spooledAttempt[k2] = 0
       :: else
       fi;
       k2++
  :: else -> break
  od;
  k2 = 0;
  do
  :: k2 < ATTEMPTS -> if :: SENDER_IS_DEAD(k2) -> localDone[k2] = 1 :: else fi; k2++
  :: else -> break
  od;
  k2 = 0; forgetOver()
}
proctype Worker(byte me) {
  byte a = 0, r = 0, g = 0;
idle:
  do
  :: atomic { DRAIN && CAN_DRAIN ->   /* spools of this host's dead processes first; then their attempts are over */
       drain() }
  :: atomic { !(DRAIN && CAN_DRAIN) && status == ACTIVE && DUE && sends < SENDCAP && MAY_USE_CHILD &&
              MAY_SEND && FREE ->
       lease = me; fenceOwner = me } break   /* T1: claim */
  :: atomic { !(DRAIN && CAN_DRAIN) && status == ACTIVE && DUE && sends < SENDCAP &&
              lease != 0 && lease != DEAD_OWNER && lease != me && steals < STEALS ->
       steals++; lease = me; fenceOwner = me } break   /* claim, when the lease of a living holder is over */
  :: atomic { !(DRAIN && CAN_DRAIN) && FREE && (status != ACTIVE || !DUE || sends >= SENDCAP) -> goto done }
  od;
  if :: atomic { crashes < CRASHES -> die(); goto idle } :: true fi;
  atomic {   /* may this refresh token be sent? A claim that may not is released. */
    if
    :: FENCE && fenceOwner != me -> goto idle
    :: !(FENCE && fenceOwner != me) && (!MAY_SEND || !MAY_USE_CHILD || status != ACTIVE || !DUE ||
                                        (DRAIN && UNRESOLVED && CAN_DRAIN && DRAIN2)) ->
         if :: fenceOwner == me -> lease = 0 :: else fi; goto idle
    :: else
    fi;
    r = refreshToken; g = (UNRESOLVED && WINDOW);
    if
    :: UNRESOLVED && !WINDOW ->
         /* the residual risk: whoever holds the answer did not come back in time */
         if :: NOT_LOCALLY_DONE && mandatory && (HELD_ELSEWHERE || EACH(IS_AWAITED,||)) -> gambled = 1 :: else fi;
         if :: PROBE && !valid[r] -> lost(); r = 0; goto idle :: else fi
    :: else
    fi }
  atomic {   /* T1b: markSent, durable before any byte leaves */
    if
    :: FENCE && (fenceOwner != me || refreshToken != r) ->
         if :: fenceOwner == me -> lease = 0 :: else fi; r = 0; g = 0; goto idle
    :: !(FENCE && (fenceOwner != me || refreshToken != r)) && g && UNRESOLVED && !WINDOW ->   /* it closed since */
         if :: fenceOwner == me -> lease = 0 :: else fi; r = 0; g = 0; goto idle
    :: sends >= SENDCAP -> if :: fenceOwner == me -> lease = 0 :: else fi; r = 0; g = 0; goto idle
    :: else
    fi;
    g = 0;
    assert(MODE != 0 || !QUIET || !MAY_STILL_ARRIVE);    /* P1 */
    sends++; a = 0; do :: phase[a] != NONE -> a++ :: else -> break od;
    parent[a] = r; attemptOwner[a] = me; listening[a] = 1; phase[a] = ARMED;
    if :: INTENT == 1 -> unresolved[a] = 1 :: else fi }
  if
  :: atomic { crashes < CRASHES -> phase[a] = LOST; listening[a] = 0; die(); goto idle }
  :: phase[a] = TRAVELLING
  fi;
  if
  :: atomic { crashes < CRASHES -> listening[a] = 0;
       if
       :: phase[a] == ANSWERED ->
            phase[a] = LOST;
            if :: MODE != 3 && answer[a] != 0 && answer[a] != REFUSED -> answerLost = 1 :: else fi;
            answer[a] = 0
       :: else
       fi;
       die(); goto idle }
  :: atomic { phase[a] == ANSWERED -> g = answer[a]; answer[a] = 0; phase[a] = LOST;
       if :: g != 0 && g != REFUSED -> inHand[me] = 1 :: else fi }
  :: atomic { (phase[a] == LOST || (GIVEUP && phase[a] == TRAVELLING)) ->   /* settle, ambiguous */
       listening[a] = 0; localDone[a] = 1; if :: INTENT == 2 -> unresolved[a] = 1 :: else fi;
       if :: fenceOwner == me -> lease = 0 :: else fi; r = 0; a = 0; forgetOver(); goto idle }
  fi;
  if
  :: g != 0 && g != REFUSED ->
       if
       :: atomic { crashes < CRASHES -> listening[a] = 0; /* before the spool is durable */
            if :: MODE != 3 && SPOOL -> answerLost = 1 :: else fi; die(); goto idle }
       :: atomic { SPOOL -> spooled[me] = g; spooledParent[me] = r; spooledAttempt[me] = a; inHand[me] = 0 }
       :: !SPOOL
       fi;
       if
       :: atomic { crashes < CRASHES && SPOOL -> listening[a] = 0; die(); goto idle }
       :: atomic { true -> commit(r, g, a, fenceOwner == me);
            listening[a] = 0; inHand[me] = 0; spooled[me] = 0; spooledParent[me] = 0; spooledAttempt[me] = 0 }
       fi
  :: g == REFUSED ->   /* settle, refused: not processed */
       atomic { unresolved[a] = 0; listening[a] = 0; localDone[a] = 1; k = 0;
         if
         :: !KEEPU ->
              do
              :: k < ATTEMPTS -> if :: parent[k] == r -> unresolved[k] = 0 :: else fi; k++
              :: else -> break
              od;
              k = 0
         :: else
         fi;
         if :: fenceOwner == me -> lease = 0 :: else fi }
  :: g == 0 ->         /* settle, rejected: invalid_grant */
       atomic { unresolved[a] = 0; listening[a] = 0; localDone[a] = 1;
         if
         :: fenceOwner != me || refreshToken != r -> skip
         :: else -> fallback()
         fi }
  fi;
  atomic { a = 0; r = 0; g = 0; forgetOver() }
  goto idle;
done: skip
}
#if REVOKE
active proctype Reader() {   /* serves from memory for at most one revalidation interval */
end_r:
  do
  :: atomic { !readerCache && status == ACTIVE -> readerCache = 1 }
  :: atomic { readerCache -> assert(!returned) }   /* P3 */
  :: atomic { readerCache -> readerCache = 0 }
  od
}
active proctype Admin() {
  if
  :: atomic { status == ACTIVE -> status = REVOKED; fenceOwner = 0; lease = 0; proving = 0 }   /* revoke */
     if :: REVAL -> readerCache == 0 :: !REVAL fi;
     returned = 1
  :: true
  fi
}
#endif
init { atomic { valid[1] = 1; k = 1; do :: k <= NW -> run Worker(k); k++ :: else -> break od; k = 0 } }

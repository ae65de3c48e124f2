"use strict";
// The same rates and intervals as evaluation/statistics/rates.py and review_band.py; a test
// compares both in a browser.

const Rates = (() => {
  // Stirling's series, which is precise from 8 on.
  function logGamma(x) {
    if (x < 8) return logGamma(x + 1) - Math.log(x);
    const t = 1 / (x * x);
    const series = 1 / 12 - t * (1 / 360 - t * (1 / 1260 - t * (1 / 1680 - t / 1188)));
    return (x - 0.5) * Math.log(x) - x + 0.9189385332046727 + series / x;
  }

  // The continued fraction of the incomplete beta function, by Lentz's method.
  function fraction(a, b, x) {
    const tiny = 1e-300;
    let c = 1, d = 1 - ((a + b) * x) / (a + 1);
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    let h = d;
    for (let m = 1; m <= 10000; m++) {
      for (const term of [
        (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
        (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
      ]) {
        d = 1 + term * d;
        d = 1 / (Math.abs(d) < tiny ? tiny : d);
        c = 1 + term / c;
        if (Math.abs(c) < tiny) c = tiny;
        h *= d * c;
      }
      if (Math.abs(d * c - 1) < 1e-15) break;
    }
    return h;
  }

  function betaCdf(x, a, b) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    const front = Math.exp(
      logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
    return x < (a + 1) / (a + b + 2)
      ? (front * fraction(a, b, x)) / a
      : 1 - (front * fraction(b, a, 1 - x)) / b;
  }

  function betaQuantile(p, a, b) {
    let low = 0, high = 1;
    for (let step = 0; step < 100 && high - low > 1e-16 * high; step++) {
      const middle = (low + high) / 2;
      if (betaCdf(middle, a, b) < p) low = middle; else high = middle;
    }
    return (low + high) / 2;
  }

  function tQuantile(p, df) {  // for p > 0.5
    const x = betaQuantile(2 * (1 - p), df / 2, 0.5);
    return Math.sqrt((df * (1 - x)) / x);
  }

  function clopperPearson(count, trials) {
    return [
      count > 0 ? betaQuantile(0.025, count, trials - count + 1) : 0,
      count < trials ? betaQuantile(0.975, count + 1, trials - count) : 1,
    ];
  }

  function byPart(hits, parts) {
    const of = new Map();
    parts.forEach((part, i) => {
      const known = of.get(part) || [0, 0];
      of.set(part, [known[0] + 1, known[1] + (hits[i] ? 1 : 0)]);
    });
    return [...of.values()];
  }

  // The effective number of photos (Korn and Graubard 1998).
  function worth(groups, photos, hits) {
    if (photos === groups.length || hits === 0 || hits === photos) return groups.length;
    const floor = photos ** 2 / groups.reduce((sum, [n]) => sum + n * n, 0);
    const mixed = Math.min(
      groups.filter(([, h]) => h > 0).length, groups.filter(([n, h]) => h < n).length);
    if (mixed < 2) return floor;
    const share = hits / photos;
    const squares = groups.reduce((sum, [n, h]) => sum + (h - share * n) ** 2, 0);
    const variance = ((groups.length / (groups.length - 1)) * squares) / photos ** 2;
    const unsure = tQuantile(0.975, photos - 1) / tQuantile(0.975, mixed - 1);
    const value = variance > 0 ? ((share * (1 - share)) / variance) * unsure ** 2 : photos;
    return Math.min(Math.max(value, floor), photos);
  }

  function rateOf(hits, parts) {
    const groups = byPart(hits, parts);
    const count = hits.filter(Boolean).length;
    if (!hits.length) return { count: 0, photos: 0, parts: 0, value: NaN, interval: null };
    const trials = worth(groups, hits.length, count);
    return {
      count, photos: hits.length, parts: groups.length, value: count / hits.length,
      interval: clopperPearson((count / hits.length) * trials, trials),
    };
  }

  // The one-sided upper bound of the rate; each part is one trial.
  function claim(hits, parts, confidence = 0.95) {
    const groups = byPart(hits, parts);
    const hit = groups.filter(([, h]) => h > 0).length;
    const atMost = hit === groups.length
      ? 1 : betaQuantile(confidence, hit + 1, groups.length - hit);
    return { hits: hit, parts: groups.length, atMost };
  }

  // The central interval of a binomial number, as scipy.stats.binom.interval.
  function binomialInterval(n, p) {
    const cdf = (k) => (k >= n ? 1 : 1 - betaCdf(p, k + 1, n - k));
    const quantile = (q) => {
      let low = -1, high = n;
      while (high - low > 1) {
        const middle = Math.floor((low + high) / 2);
        if (cdf(middle) >= q) high = middle; else low = middle;
      }
      return high;
    };
    return p <= 0 ? [0, 0] : p >= 1 ? [n, n] : [quantile(0.025), quantile(0.975)];
  }

  // As Python's format: a tie goes to the even digit. Only multiples of 1/8 can be ties here.
  function fixed(value, digits) {
    const scaled = value * 10 ** digits;
    if (Number.isInteger(value * 8) && Math.abs(scaled % 1) === 0.5) {
      return ((2 * Math.round(scaled / 2)) / 10 ** digits).toFixed(digits);
    }
    return value.toFixed(digits);
  }

  const percent = (share) => (Number.isFinite(share) ? `${fixed(100 * share, 2)}%` : "-");

  return { rateOf, claim, binomialInterval, percent, fixed };
})();

import type { Quota, QuotaCount } from '#contracts/quotas';
import { percentText } from '#wording/text';
import { amountText } from '#wording/quotas';

type Standing = Pick<QuotaCount, 'used' | 'reserved' | 'limit' | 'left'>;

const shareOf = (amount: number, limit: number): number =>
  limit === 0 ? 1 : Math.min(1, Math.max(0, amount / limit));

/** Used and reserved of the limit. */
export function QuotaBar({ unit, standing }: { readonly unit: Quota['unit']; readonly standing: Standing }) {
  const { used, reserved, limit, left } = standing;
  const share = shareOf(used, limit);
  const reservedShare = Math.min(1 - share, shareOf(reserved, limit));
  const tone = share >= 1 ? 'bad' : share >= 0.8 ? 'warn' : 'good';
  const words = `${amountText(unit, Math.max(0, used))} used, ${amountText(unit, reserved)} reserved, ${amountText(unit, left)} left`;
  return (
    <div className="quota-bar" role="img" aria-label={`${percentText(share)}: ${words}`} title={words}>
      <span className={`fill fill-${tone}`} style={{ width: `${share * 100}%` }} />
      <span className="fill fill-reserved" style={{ width: `${reservedShare * 100}%` }} />
    </div>
  );
}

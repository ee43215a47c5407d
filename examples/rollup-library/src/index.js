import { STRIPE_KEY } from 'virtual:secrets/server'

/** Headers of a payment request. A function, so that the value is read when it is called. */
export const headers = () => ({ authorization: `Bearer ${STRIPE_KEY}` })
